"""Completion webhooks by the Standard Webhooks rules: id, timestamp, `v1` HMAC-SHA256 signature, retries.

What to send is in the ledger's `deliveries`, put there in the transaction that ended the job. A receiver may see
a message twice and knows it by its id. Addresses are checked and pinned like inputs by URL.
"""

import base64
import hashlib
import hmac
import json
import logging
import os

import httpx
from sqlalchemy import select, update

from sonic_core.errors import InputError, SettingsError
from sonic_core.ledger.database import autocommit
from sonic_core.ledger.ledger import Ledger
from sonic_core.ledger.tables import deliveries
from sonic_core.storage.https import pinned, resolve

logger = logging.getLogger(__name__)

RETRY_SECONDS = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000)


def signing_secret() -> bytes:
    """From SONIC_WEBHOOK_SECRET, `whsec_` and base64. Raises SettingsError without showing it."""
    text = os.environ.get("SONIC_WEBHOOK_SECRET", "")
    try:
        secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        secret = b""
    if len(secret) < 24:
        raise SettingsError("Webhooks need SONIC_WEBHOOK_SECRET: whsec_ and at least 24 bytes in base64.")
    return secret


def sign(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    digest = hmac.new(secret, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def check_webhook(url: str) -> str:
    """The address itself when a webhook may go there; raises InputError or SettingsError."""
    signing_secret()
    resolve(url)
    return url


def deliver_due(ledger: Ledger, limit: int = 20) -> int:
    """Sends the messages that are due; returns how many arrived."""
    now = ledger.clock()
    query = select(deliveries).where(deliveries.c.next_try <= now).order_by(deliveries.c.next_try).limit(limit)
    with autocommit(ledger.engine) as connection:
        due = connection.execute(query).all()
    arrived = 0
    for row in due:
        # Claimed by moving its next try: another sweeper that read the same row loses this compare-and-set.
        later = now + RETRY_SECONDS[min(row.tries, len(RETRY_SECONDS) - 1)]
        mine = (deliveries.c.id == row.id, deliveries.c.tries == row.tries)
        with ledger.engine.begin() as connection:
            taken = connection.execute(update(deliveries).where(*mine).values(tries=row.tries + 1, next_try=later))
        if not taken.rowcount:
            continue
        error = _send(row.id, row.url, row.payload, int(ledger.clock()))
        values: dict = {"error": error}
        if error is None or row.tries + 1 > len(RETRY_SECONDS):
            values["next_try"] = None
        with ledger.engine.begin() as connection:
            connection.execute(update(deliveries).where(deliveries.c.id == row.id).values(**values))
        arrived += error is None
        if error:
            logger.warning("webhook of job %s did not arrive: %s", row.job_id, error)
    return arrived


def _send(message_id: str, url: str, payload: dict, timestamp: int) -> str | None:
    """None when the receiver took it, else why not."""
    body = json.dumps(payload, separators=(",", ":")).encode()
    try:
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(signing_secret(), message_id, timestamp, body),
        }
        with pinned("POST", url, headers=headers, content=body, seconds=15.0) as answer:
            return None if answer.is_success else f"answered {answer.status_code}"
    except (httpx.HTTPError, InputError, SettingsError) as error:
        return type(error).__name__
