"""A user's jobs, page by page: newest first, filtered by state, person and time; a cursor marks the next page."""

import base64
import json
from dataclasses import dataclass

from sqlalchemy import and_, or_, select

from sonic_core.errors import InputError
from sonic_core.ledger.database import autocommit
from sonic_core.ledger.jobs import Job
from sonic_core.ledger.ledger import Ledger
from sonic_core.ledger.tables import consents, jobs


@dataclass(frozen=True)
class Filter:
    """What a listing is narrowed to; None: everything. Times in seconds since 1970."""

    state: str | None = None
    subject: str | None = None
    batch: str | None = None
    since: float | None = None
    until: float | None = None


def list_jobs(
    ledger: Ledger, user: str, chosen: Filter, limit: int, cursor: str | None
) -> tuple[list[Job], str | None]:
    """(up to `limit` jobs, the cursor of the next page or None). Raises InputError for an invalid cursor."""
    query = select(jobs).where(jobs.c.user == user)
    if chosen.state is not None:
        query = query.where(jobs.c.state == chosen.state)
    if chosen.batch is not None:
        query = query.where(jobs.c.batch == chosen.batch)
    if chosen.since is not None:
        query = query.where(jobs.c.created >= chosen.since)
    if chosen.until is not None:
        query = query.where(jobs.c.created < chosen.until)
    if chosen.subject is not None:
        of_person = select(consents.c.id).where(consents.c.user == user, consents.c.subject == chosen.subject)
        query = query.where(jobs.c.consent_id.in_(of_person))
    if cursor is not None:
        created, job_id = _read(cursor)
        query = query.where(or_(jobs.c.created < created, and_(jobs.c.created == created, jobs.c.id < job_id)))
    query = query.order_by(jobs.c.created.desc(), jobs.c.id.desc()).limit(limit + 1)
    with autocommit(ledger.engine) as connection:
        found = [Job(**row._mapping) for row in connection.execute(query)]
    more = len(found) > limit
    return found[:limit], _write(found[limit - 1]) if more else None


def _write(job: Job) -> str:
    return base64.urlsafe_b64encode(json.dumps([job.created, job.id]).encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[float, str]:
    try:
        created, job_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(created, int | float) or not isinstance(job_id, str) or not abs(created) < 1e12:
            raise ValueError
    except (ValueError, TypeError):
        raise InputError(f"The cursor {cursor[:40]!r} is not one of ours; begin without one.") from None
    return float(created), job_id
