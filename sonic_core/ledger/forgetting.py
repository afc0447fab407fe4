"""What the ledger does when material must go: a job is deleted, a consent is withdrawn or expires, retention ends.

Each step is one transaction that leaves a mark; `fleet/forget.py` and the sweeper then delete the objects, as often
as it takes. What happened stays in the event log until the ledger's own retention. Knows no store.
"""

import os
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, or_, select, update

from sonic_core.errors import NotFoundError, SettingsError
from sonic_core.ledger.assets import Asset, assets_of, let_go_of_job, let_go_of_kept
from sonic_core.ledger.consents import Consent, find_consent
from sonic_core.ledger.database import autocommit, one_at_a_time
from sonic_core.ledger.jobs import FINAL
from sonic_core.ledger.ledger import Ledger
from sonic_core.ledger.tables import asset_uses, assets, consents, deliveries, events, jobs

_DAY = 24 * 3600.0


@dataclass(frozen=True)
class Retention:
    """Days after a job's end; None: until somebody deletes them."""

    inputs_days: float | None = None
    outputs_days: float | None = None
    ledger_days: float | None = None

    @classmethod
    def from_environment(cls) -> "Retention":
        """SONIC_RETENTION_INPUTS_DAYS, _OUTPUTS_DAYS and _LEDGER_DAYS. Raises SettingsError."""
        days = {}
        for name in ("inputs_days", "outputs_days", "ledger_days"):
            variable = f"SONIC_RETENTION_{name.upper()}"
            text = os.environ.get(variable)
            try:
                days[name] = float(text) if text else None
            except ValueError:
                days[name] = -1.0
            if days[name] is not None and not 0 < days[name] < 36525:  # type: ignore[operator]
                raise SettingsError(f"{variable} is {text!r}; give a number of days above 0, or leave it out.")
        return cls(**days)


def forget_job(ledger: Ledger, job_id: str) -> None:
    """Cancels a job that is under way and releases all its material."""
    with ledger.engine.begin() as connection:
        one_at_a_time(connection)
        _forget(ledger, connection, job_id)


def withdraw_consent(ledger: Ledger, consent_id: str, user: str) -> list[str]:
    """Revokes a consent, once: its jobs end and its material is released. Returns the ids of its jobs.

    Raises NotFoundError where the user has no such consent.
    """
    with ledger.engine.begin() as connection:
        one_at_a_time(connection)
        consent = find_consent(connection, consent_id)
        if consent is None or consent.user != user:
            raise NotFoundError(f"You have no consent {consent_id[:100]!r}.")
        return _end_consent(ledger, connection, consent)


def end_expired_consents(ledger: Ledger) -> int:
    """Does for expired consents what withdrawal does."""
    over = (consents.c.revoked.is_(None), consents.c.expires <= ledger.clock())
    with autocommit(ledger.engine) as connection:
        due = connection.execute(select(consents).where(*over).limit(200)).all()
    for row in due:
        with ledger.engine.begin() as connection:
            one_at_a_time(connection)
            _end_consent(ledger, connection, Consent(**row._mapping))
    return len(due)


def _end_consent(ledger: Ledger, connection: Connection, consent: Consent) -> list[str]:
    now = ledger.clock()
    mine = (consents.c.id == consent.id, consents.c.revoked.is_(None))
    connection.execute(update(consents).where(*mine).values(revoked=now))
    affected = list(connection.execute(select(jobs.c.id).where(jobs.c.consent_id == consent.id)).scalars())
    for job_id in affected:
        _forget(ledger, connection, job_id)
    let_go_of_kept(connection, [asset.id for asset in assets_of(connection, consent.user, [consent.id])], now)
    return affected


def _forget(ledger: Ledger, connection: Connection, job_id: str) -> None:
    now = ledger.clock()
    ledger.cancel_in(connection, job_id)
    let_go_of_job(connection, job_id, now)
    values = {"forgotten": now, "inputs_gone": now, "swept": False}
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))


def delete_kept_asset(ledger: Ledger, asset: Asset) -> None:
    """Stops keeping an asset; jobs that use it go on."""
    with ledger.engine.begin() as connection:
        one_at_a_time(connection)
        let_go_of_kept(connection, [asset.id], ledger.clock())


def let_inputs_go(ledger: Ledger, job_id: str) -> None:
    """Releases the inputs of a finished job."""
    with ledger.engine.begin() as connection:
        one_at_a_time(connection)
        now = ledger.clock()
        let_go_of_job(connection, job_id, now)
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(inputs_gone=now))


def inputs_due(ledger: Ledger, retention: Retention, grace_seconds: float, limit: int = 200) -> list[str]:
    """Ended jobs whose inputs need not be kept: their retention has passed, or they were cancelled."""
    now = ledger.clock()
    due = [and_(jobs.c.state == "cancelled", jobs.c.finished <= now - grace_seconds)]
    if retention.inputs_days is not None:
        due.append(jobs.c.finished <= now - retention.inputs_days * _DAY)
    ended = (jobs.c.state.in_(FINAL), jobs.c.inputs_gone.is_(None), or_(*due))
    with autocommit(ledger.engine) as connection:
        return list(connection.execute(select(jobs.c.id).where(*ended).limit(limit)).scalars())


def forget_old_videos(ledger: Ledger, retention: Retention, limit: int = 200) -> None:
    """Marks jobs whose video has been kept long enough; the sweeper deletes what is marked."""
    if retention.outputs_days is None:
        return
    before = ledger.clock() - retention.outputs_days * _DAY
    old = (jobs.c.state == "done", jobs.c.outputs_gone.is_(None), jobs.c.forgotten.is_(None), jobs.c.finished <= before)
    with autocommit(ledger.engine) as connection:
        due = list(connection.execute(select(jobs.c.id).where(*old).limit(limit)).scalars())
    for job_id in due:
        forget_job(ledger, job_id)


def delete_old_rows(ledger: Ledger, retention: Retention, limit: int = 200) -> int:
    """Deletes the rows of jobs that ended long ago and whose material is gone, then consents without jobs."""
    if retention.ledger_days is None:
        return 0
    before = ledger.clock() - retention.ledger_days * _DAY
    old = (jobs.c.state.in_(FINAL), jobs.c.finished <= before)
    gone = (
        *old,
        jobs.c.swept,
        jobs.c.inputs_gone.is_not(None),
        or_(jobs.c.outputs_gone.is_not(None), jobs.c.output.is_(None)),
    )
    kept = (*old, jobs.c.forgotten.is_(None))
    with autocommit(ledger.engine) as connection:
        unforgotten = list(connection.execute(select(jobs.c.id).where(*kept).limit(limit)).scalars())
        ids = list(connection.execute(select(jobs.c.id).where(*gone).limit(limit)).scalars())
    for job_id in unforgotten:
        forget_job(ledger, job_id)
    with ledger.engine.begin() as connection:
        for table, column in ((asset_uses, "job_id"), (deliveries, "job_id"), (jobs, "id"), (events, "job_id")):
            connection.execute(delete(table).where(table.c[column].in_(ids)))
        _delete_old_consents(connection, before)
    return len(ids)


def _delete_old_consents(connection: Connection, before: float) -> None:
    unused = (
        ~exists().where(jobs.c.consent_id == consents.c.id),
        ~exists().where(assets.c.consent_id == consents.c.id),
    )
    connection.execute(delete(consents).where(consents.c.revoked <= before, *unused))


def held_about(ledger: Ledger, user: str, subject: str) -> dict[str, Any]:
    """What the ledger holds about a person: consents, jobs with their events, kept assets. Without the objects."""
    with autocommit(ledger.engine) as connection:
        agreed = [Consent(**row._mapping) for row in connection.execute(_consents_of(user, subject))]
        ids = [consent.id for consent in agreed]
        made = connection.execute(select(jobs).where(jobs.c.consent_id.in_(ids)).order_by(jobs.c.created)).all()
        kept = assets_of(connection, user, ids)
    return {
        "subject": subject,
        "consents": [vars(consent) for consent in agreed],
        "jobs": [{**dict(row._mapping), "events": ledger.events(row.id)} for row in made],
        "assets": [vars(asset) for asset in kept],
    }


def consents_of(ledger: Ledger, user: str, subject: str | None = None, limit: int = 1000) -> list[Consent]:
    """The user's consents, newest first; of one person only when it is named."""
    with autocommit(ledger.engine) as connection:
        return [Consent(**row._mapping) for row in connection.execute(_consents_of(user, subject).limit(limit))]


def _consents_of(user: str, subject: str | None) -> Any:
    query = select(consents).where(consents.c.user == user).order_by(consents.c.granted.desc())
    return query if subject is None else query.where(consents.c.subject == subject)
