"""Who may use the service: API keys and per-user limits; and what happens when a consent is revoked.

Keys are random, shown once, and kept as SHA-256. Knows the ledger and the stores, no HTTP.
"""

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import insert, select, update

from sonic_core.errors import SonicError
from sonic_core.ledger.consents import mark_revoked
from sonic_core.ledger.database import autocommit
from sonic_core.ledger.jobs import FINAL, Job
from sonic_core.ledger.ledger import Ledger
from sonic_core.ledger.tables import api_keys
from sonic_core.storage.keys import check_id, output_prefix
from sonic_core.storage.stores import Stores


class LimitError(SonicError):
    """The user has reached a limit; later it will work."""


@dataclass(frozen=True)
class Limits:
    """Per user, and for the queue as a whole."""

    active_jobs: int = 20  # queued and running
    jobs_a_day: int = 500
    queued_jobs: int = 1000  # of all users; above it the service is not ready


def create_key(ledger: Ledger, user: str) -> str:
    """A new key for the user. This is the only time it can be seen."""
    key = f"sk-sonic-{secrets.token_urlsafe(32)}"
    values = {"sha256": _digest(key), "user": check_id(user, "user"), "created": ledger.clock()}
    with ledger.engine.begin() as connection:
        connection.execute(insert(api_keys).values(**values))
    return key


def revoke_keys(ledger: Ledger, user: str) -> int:
    """Ends every API key of the user; says how many there were."""
    mine = update(api_keys).where(api_keys.c.user == user, api_keys.c.revoked.is_(None))
    with ledger.engine.begin() as connection:
        return connection.execute(mine.values(revoked=ledger.clock())).rowcount


def user_of(ledger: Ledger, key: str) -> str | None:
    query = select(api_keys.c.user).where(api_keys.c.sha256 == _digest(key), api_keys.c.revoked.is_(None))
    with autocommit(ledger.engine) as connection:
        return connection.execute(query).scalar_one_or_none()


def check_limits(ledger: Ledger, user: str, limits: Limits) -> None:
    """Raises LimitError where one more job would be too many."""
    active, today = ledger.usage(user, ledger.clock() - 24 * 3600)
    if active >= limits.active_jobs:
        raise LimitError(f"You have {active} jobs under way; at most {limits.active_jobs} are allowed at a time.")
    if today >= limits.jobs_a_day:
        raise LimitError(f"You started {today} jobs in the last day; at most {limits.jobs_a_day} are allowed.")
    if ledger.counts(("queued",))["queued"] >= limits.queued_jobs:
        raise LimitError("The queue is full; try again in a few minutes.")


def revoke_consent(ledger: Ledger, stores: Stores, consent_id: str, user: str) -> list[str]:
    """Revokes a consent: its jobs are cancelled, their inputs and outputs deleted. Returns the job ids.

    A job that runs at this moment stops at its next heartbeat and deletes its own attempt; whatever a worker leaves
    that dies just then, the sweeper deletes.
    """
    mark_revoked(ledger.engine, consent_id, user)
    affected = ledger.find_all(consent_id=consent_id, limit=100_000)
    for job in affected:
        if job.state not in FINAL:
            ledger.cancel(job.id)
        delete_objects(job, stores)
    return [job.id for job in affected]


def delete_objects(job: Job, stores: Stores) -> None:
    """Deletes everything the job read and made."""
    for source in job.inputs.values():
        stores.inputs.delete(source["key"])
    for found in list(stores.outputs.list(output_prefix(job.user, job.id))):
        stores.outputs.delete(found.key)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
