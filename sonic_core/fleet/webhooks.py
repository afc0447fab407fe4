"""Completion webhooks by the Standard Webhooks rules: id, timestamp, `v1` HMAC-SHA256 signature, retries.

What to send is in the ledger's `deliveries`, put there in the transaction that ended the job. A receiver may get
a message twice and recognises it by its id. Addresses are checked and pinned like inputs by URL. Many are sent at once,
each with its own deadline and only a few for one user, so that a slow or broken receiver delays nobody else.
"""

import base64
import hashlib
import hmac
import json
import logging
import os
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import anyio
import httpx
from sqlalchemy import Row, select, update

from sonic_core.errors import InputError, SettingsError
from sonic_core.ledger.database import autocommit
from sonic_core.ledger.ledger import Ledger
from sonic_core.ledger.tables import deliveries, jobs
from sonic_core.storage.https import check_url, pinned, resolve

logger = logging.getLogger(__name__)

RETRY_SECONDS = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000)
DELIVERY_SECONDS = 15.0
POLL_SECONDS = 1.0
_AT_ONCE = 32
_OF_ONE_USER = 4


def signing_secret() -> bytes:
    """The bytes of SONIC_WEBHOOK_SECRET (`whsec_` and base64). Raises SettingsError, which does not show it."""
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
    """Returns the address if a webhook may go there; raises InputError or SettingsError. Resolves the host name."""
    signing_secret()
    check_url(url)
    resolve(url)
    return url


class Deliveries:
    """Sends due messages, many at once. One for each process, driven by one loop."""

    def __init__(self, ledger: Ledger):
        self._ledger = ledger
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="webhook")
        self._under_way: dict[Future[str | None], str] = {}  # with the user whose message it is

    def round(self) -> int:
        """Starts sending due messages, as many as fit, and returns their number. Waits for none."""
        for done in [future for future in self._under_way if future.done()]:
            del self._under_way[done]
            if (error := done.exception()) is not None:  # the ledger was away: the message is due again later
                logger.warning("the outcome of a webhook could not be noted: %s", error)
        busy = Counter(self._under_way.values())
        full = [user for user, count in busy.items() if count >= _OF_ONE_USER]
        started = 0
        for row in _due(self._ledger, full, limit=_AT_ONCE * 4):
            if len(self._under_way) >= _AT_ONCE:
                break
            if busy[row.user] >= _OF_ONE_USER or not _claim(self._ledger, row):
                continue
            self._under_way[self._threads.submit(_deliver, self._ledger, row)] = row.user
            busy[row.user] += 1
            started += 1
        return started

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def redeliver(ledger: Ledger, job_id: str) -> int:
    """Makes a job's messages due again, with all their tries; returns how many there are."""
    with ledger.engine.begin() as connection:
        mine = update(deliveries).where(deliveries.c.job_id == job_id)
        return connection.execute(mine.values(tries=0, next_try=ledger.clock(), error=None)).rowcount


def _due(ledger: Ledger, without: list[str], limit: int) -> list[Row[Any]]:
    """Due messages, oldest first, each with its user, except those of the users in `without`."""
    query = select(deliveries, jobs.c.user).join(jobs, jobs.c.id == deliveries.c.job_id)
    query = query.where(deliveries.c.next_try <= ledger.clock(), jobs.c.user.not_in(without))
    with autocommit(ledger.engine) as connection:
        return list(connection.execute(query.order_by(deliveries.c.next_try).limit(limit)).all())


def _claim(ledger: Ledger, row: Row[Any]) -> bool:
    """Takes a message by moving its next try: another sender that read the same row loses this compare-and-set."""
    later = ledger.clock() + max(RETRY_SECONDS[min(row.tries, len(RETRY_SECONDS) - 1)], DELIVERY_SECONDS)
    mine = (deliveries.c.id == row.id, deliveries.c.tries == row.tries)
    with ledger.engine.begin() as connection:
        taken = connection.execute(update(deliveries).where(*mine).values(tries=row.tries + 1, next_try=later))
    return taken.rowcount == 1


def _deliver(ledger: Ledger, row: Row[Any]) -> str | None:
    """Sends one message and notes the outcome: None when it arrived, else why not."""
    try:
        error = _send(row.id, row.url, row.payload, int(ledger.clock()))
    except Exception as raised:  # whatever goes wrong here is this delivery's failure alone
        error = type(raised).__name__
    values: dict[str, Any] = {"error": error}
    if error is None or row.tries + 1 > len(RETRY_SECONDS):
        values["next_try"] = None
    elif error is not None:
        values["next_try"] = ledger.clock() + RETRY_SECONDS[row.tries]
    with ledger.engine.begin() as connection:
        connection.execute(update(deliveries).where(deliveries.c.id == row.id).values(**values))
    if error:
        logger.warning("webhook of job %s did not arrive: %s", row.job_id, error)
    return error


def _send(message_id: str, url: str, payload: dict[str, Any], timestamp: int) -> str | None:
    """None when the receiver took it, else why not."""
    body = json.dumps(payload, separators=(",", ":")).encode()
    headers = {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(signing_secret(), message_id, timestamp, body),
    }

    async def post() -> int:
        async with pinned("POST", url, headers=headers, content=body, seconds=DELIVERY_SECONDS) as answer:
            return answer.status_code

    try:
        status = anyio.run(post)
    except (httpx.HTTPError, httpx.InvalidURL, InputError, SettingsError, TimeoutError) as error:
        return type(error).__name__
    return None if 200 <= status < 300 else f"answered {status}"
