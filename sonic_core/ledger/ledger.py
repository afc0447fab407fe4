"""The job ledger: the truth about every job, whichever worker runs it and however often workers die.

A worker holds a job by a lease that it renews; the attempt number, raised with every lease, is a fencing token:
only the newest attempt can heartbeat, finish or fail (compare-and-set on id, attempt and state). Every change
is noted in an append-only event log in the same transaction. Knows no engines, brokers or stores.
"""

import uuid
from collections.abc import Callable
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from sonic_core.errors import InputError
from sonic_core.ledger.assets import use_assets
from sonic_core.ledger.consents import Consent, check_consent, find_consent, insert_consent
from sonic_core.ledger.database import DatabaseClock, autocommit, one_at_a_time, open_database
from sonic_core.ledger.histograms import note_done
from sonic_core.ledger.jobs import DEFAULT_MAX_ATTEMPTS, FINAL, STATES, Job, NewJob, backoff
from sonic_core.ledger.tables import consents, deliveries, events, jobs, workers
from sonic_core.ledger.turns import in_turn, note_served
from sonic_core.storage.keys import check_id

Beat = Literal["held", "cancel", "lost"]


class Ledger:
    """All operations on jobs. `clock` gives seconds since 1970; left out: the database's, the same for everybody."""

    def __init__(self, engine: Engine, clock: Callable[[], float] | None = None):
        self.engine = engine
        self.clock = clock or DatabaseClock(engine)

    @classmethod
    def open(cls, url: str | None = None) -> "Ledger":
        return cls(open_database(url))

    # Submitting and asking

    def submit(
        self, job: NewJob, consent: Consent | None = None, check: Callable[[Connection], None] | None = None
    ) -> tuple[Job, bool]:
        """Inserts the job once: returns (job, True), or (the existing job, False) when its id is known.

        In one transaction: a new `consent` is recorded with it, its inputs are noted as used, and `check` may
        refuse it by raising. Raises InputError without a consent of the same user that holds.
        """
        check_id(job.id, "job id"), check_id(job.user, "user")
        now = self.clock()
        values = {
            **vars(job), "state": "queued", "attempt": 0, "cancel_requested": False, "not_before": now,
            "created": now, "progress": 0.0, "stage": "queued", "timings": {}, "swept": False,
        }  # fmt: skip
        try:
            with self.engine.begin() as connection:
                one_at_a_time(connection)
                if check is not None:
                    check(connection)
                if consent is not None:
                    insert_consent(connection, consent)
                check_consent(find_consent(connection, job.consent_id), job.user, now)
                connection.execute(insert(jobs), values)
                use_assets(connection, job.id, job.user, job.inputs, now)
                self._note(connection, job.id, 0, "queued", consent=job.consent_id)
        except IntegrityError:
            found = self.find(job.id)
            if found is None or found.user != job.user:
                raise InputError(f"The job id {job.id} is taken.") from None
            return found, False
        return Job(**{**dict.fromkeys(jobs.c.keys()), **values}), True

    def find(self, job_id: str) -> Job | None:
        with autocommit(self.engine) as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == job_id)).first()
        return _job(row) if row is not None else None

    def get(self, job_id: str) -> Job:
        job = self.find(job_id)
        if job is None:
            raise InputError(f"There is no job {job_id[:100]!r}.")
        return job

    def find_all(self, *, limit: int = 100, **where: Any) -> list[Job]:
        """Newest first; `where` compares columns: user=, state=, batch=, consent_id=."""
        query = select(jobs).order_by(jobs.c.created.desc(), jobs.c.id.desc()).limit(limit)
        for column, value in where.items():
            query = query.where(jobs.c[column] == value)
        with autocommit(self.engine) as connection:
            return [_job(row) for row in connection.execute(query)]

    def events(self, job_id: str) -> list[dict[str, Any]]:
        query = select(events).where(events.c.job_id == job_id).order_by(events.c.id)
        with autocommit(self.engine) as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def counts(self, states: tuple[str, ...] = STATES) -> dict[str, int]:
        """Jobs per state."""
        query = select(jobs.c.state, func.count()).where(jobs.c.state.in_(states)).group_by(jobs.c.state)
        with autocommit(self.engine) as connection:
            found: dict[str, int] = {state: count for state, count in connection.execute(query)}
        return {state: found.get(state, 0) for state in states}

    # The worker's side

    def claim(self, owner: str, lease_seconds: float, job_id: str | None = None) -> Job | None:
        """Takes the job whose turn it is (or the given one, if it may run) and increments its attempt number."""
        now = self.clock()
        may_run = or_(
            and_(jobs.c.state == "queued", jobs.c.not_before <= now),
            and_(jobs.c.state == "running", jobs.c.lease_expires < now),
        )
        agreed = (consents.c.id == jobs.c.consent_id, consents.c.revoked.is_(None))
        holds = exists().where(*agreed, or_(consents.c.expires.is_(None), consents.c.expires > now))
        query = select(jobs.c.id).where(may_run, jobs.c.attempt < jobs.c.max_attempts, ~jobs.c.cancel_requested, holds)
        if job_id is not None:
            query = query.where(jobs.c.id == job_id)
        oldest = in_turn(query).limit(1).with_for_update(skip_locked=True, of=jobs)
        values = {
            "state": "running", "attempt": jobs.c.attempt + 1, "lease_owner": owner, "started": now,
            "lease_expires": now + lease_seconds, "progress": 0.0, "stage": "starting",
        }  # fmt: skip
        take = update(jobs).where(jobs.c.id == oldest.scalar_subquery()).values(**values).returning(jobs)
        with self.engine.begin() as connection:
            row = connection.execute(take).first()
            if row is None:
                return None
            note_served(connection, row.user, now)
            self._note(connection, row.id, row.attempt, "leased", owner=owner)
        return _job(row)

    def heartbeat(self, job_id: str, attempt: int, lease_seconds: float, progress: float, stage: str) -> Beat:
        """Renews the lease. Returns `held`, `cancel` when the job should stop, or `lost` when another worker has it."""
        values = {"lease_expires": self.clock() + lease_seconds, "progress": progress, "stage": stage}
        mine = (jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.state == "running")
        with autocommit(self.engine) as connection:
            found = connection.execute(update(jobs).where(*mine).values(**values).returning(jobs.c.cancel_requested))
            row = found.first()
        return "lost" if row is None else "cancel" if row.cancel_requested else "held"

    def finish(self, job_id: str, attempt: int, output: dict[str, Any], timings: dict[str, float]) -> bool:
        """Marks a running job done, once; returns False when the attempt has been overtaken or cancelled."""
        values = {"output": output, "timings": timings, "progress": 1.0, "stage": "done", "error": None}
        with self.engine.begin() as connection:
            wanted = jobs.c.cancel_requested.is_(False)
            if not self._end(connection, job_id, attempt, "running", "done", values, wanted, key=output["key"]):
                return False
            note_done(connection, job_id)
            return True

    def fail(self, job_id: str, attempt: int, error: str, retry: bool) -> str | None:
        """Ends an attempt that went wrong: back to `queued` with backoff, or to `failed` when no attempts are left.

        Returns the new state, None when the attempt has been overtaken.
        """
        with self.engine.begin() as connection:
            query = select(jobs).where(jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.state == "running")
            row = connection.execute(query.with_for_update()).first()
            if row is None:
                return None
            if row.cancel_requested:
                self._end(connection, job_id, attempt, "running", "cancelled", {}, reason=error)
                return "cancelled"
            if not retry or attempt >= row.max_attempts:
                self._end(connection, job_id, attempt, "running", "failed", {"error": error}, error=error)
                return "failed"
            self._requeue(connection, row, error, backoff(attempt))
            return "queued"

    # Anybody's side

    def cancel(self, job_id: str) -> Job:
        """A queued job ends at once; a running one is asked to stop. An ended one stays as it is."""
        with self.engine.begin() as connection:
            self.cancel_in(connection, job_id)
        return self.get(job_id)

    def cancel_in(self, connection: Connection, job_id: str) -> None:
        """`cancel` within the caller's transaction."""
        row = connection.execute(select(jobs).where(jobs.c.id == job_id).with_for_update()).first()
        if row is not None and row.state == "queued":
            self._end(connection, job_id, row.attempt, "queued", "cancelled", {"cancel_requested": True})
        elif row is not None and row.state == "running" and not row.cancel_requested:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(cancel_requested=True))
            self._note(connection, job_id, row.attempt, "cancel requested")

    def retry(self, job_id: str, inputs: dict[str, dict[str, Any]] | None = None) -> Job:
        """Queues a failed or cancelled job again, with a fresh allowance of attempts.

        `inputs`: uploaded once more, for a job whose own have been deleted.
        """
        job = self.get(job_id)
        if job.inputs_gone is not None and inputs is None:
            raise InputError(f"The photo and the voice of job {job_id} have been deleted; start a new job with them.")
        with self.engine.begin() as connection:
            one_at_a_time(connection)
            check_consent(find_consent(connection, job.consent_id), job.user, self.clock())
            values: dict[str, Any] = {
                "state": "queued", "max_attempts": job.attempt + DEFAULT_MAX_ATTEMPTS, "cancel_requested": False,
                "not_before": self.clock(), "finished": None, "error": None, "progress": 0.0, "stage": "queued",
                "published": None, "swept": False,
            }  # fmt: skip
            if job.inputs_gone is not None and inputs is not None:
                values.update(inputs=inputs, inputs_gone=None, outputs_gone=None, forgotten=None)
                use_assets(connection, job_id, job.user, inputs, self.clock())
            if job.state not in ("failed", "cancelled") or not self._change(
                connection, job_id, job.attempt, job.state, values
            ):
                raise InputError(f"The job {job_id} is {job.state}; only failed and cancelled jobs can be retried.")
            self._note(connection, job_id, job.attempt, "queued", retry=True)
        return self.get(job_id)

    def hand_back(self, job_id: str, attempt: int) -> bool:
        """Queues a running job again at once, for a worker that was told to shut down: the attempt does not count."""
        with self.engine.begin() as connection:
            query = select(jobs).where(jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.state == "running")
            row = connection.execute(query.with_for_update()).first()
            if row is None:
                return False
            if row.cancel_requested:
                return self._end(connection, job_id, attempt, "running", "cancelled", {})
            self._requeue(connection, row, "handed back by a worker that was told to end", 0.0)
            more = {"max_attempts": jobs.c.max_attempts + 1, "error": None}
            return self._change(connection, job_id, attempt, "queued", more)

    def recover(self) -> dict[str, list[str]]:
        """Jobs whose lease ran out: back to `queued`, to `cancelled` when that was asked, or to `failed`."""
        now = self.clock()
        ended: dict[str, list[str]] = {"queued": [], "cancelled": [], "failed": []}
        with self.engine.begin() as connection:
            query = select(jobs).where(jobs.c.state == "running", jobs.c.lease_expires < now)
            for row in connection.execute(query.with_for_update(skip_locked=True)).all():
                if row.cancel_requested:
                    self._end(connection, row.id, row.attempt, "running", "cancelled", {})
                    ended["cancelled"].append(row.id)
                elif row.attempt >= row.max_attempts:
                    error = f"The worker was lost in each of {row.attempt} attempts; the last was on {row.lease_owner}."
                    self._end(connection, row.id, row.attempt, "running", "failed", {"error": error}, error=error)
                    ended["failed"].append(row.id)
                else:
                    self._requeue(connection, row, f"lease of {row.lease_owner} ran out", 0.0)
                    ended["queued"].append(row.id)
        return ended

    def to_publish(self, published_before: float | None = None, limit: int = 500) -> list[str]:
        """Queued jobs that may run, oldest first: never published, or last published before a time."""
        lost = jobs.c.published.is_(None) if published_before is None else jobs.c.published < published_before
        query = select(jobs.c.id).where(jobs.c.state == "queued", jobs.c.not_before <= self.clock(), lost)
        with autocommit(self.engine) as connection:
            return list(connection.execute(query.order_by(jobs.c.created, jobs.c.id).limit(limit)).scalars())

    def to_sweep(self, finished_before: float, limit: int = 200) -> list[Job]:
        """Jobs whose leftovers have not been swept yet: ended before a time, or to be forgotten; oldest first."""
        due = or_(jobs.c.finished <= finished_before, jobs.c.forgotten.is_not(None))
        ended = (jobs.c.state.in_(FINAL), due, jobs.c.swept.is_(False))
        with autocommit(self.engine) as connection:
            query = select(jobs).where(*ended).order_by(jobs.c.finished).limit(limit)
            return [_job(row) for row in connection.execute(query)]

    def mark(self, job_ids: list[str], **values: Any) -> None:
        """Sets bookkeeping columns (published, swept) that no rule depends on."""
        with autocommit(self.engine) as connection:
            connection.execute(update(jobs).where(jobs.c.id.in_(job_ids)).values(**values))

    def worker_seen(self, worker: str, engine: str, job_id: str | None) -> None:
        values = {"engine": engine, "seen": self.clock(), "job_id": job_id}
        with self.engine.begin() as connection:
            if not connection.execute(update(workers).where(workers.c.id == worker).values(**values)).rowcount:
                connection.execute(insert(workers).values(id=worker, **values))

    def live_workers(self, within: float = 60.0) -> list[dict[str, Any]]:
        """Workers heard from in the last `within` seconds."""
        query = select(workers).where(workers.c.seen >= self.clock() - within)
        with autocommit(self.engine) as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def _change(self, connection: Connection, job_id: str, attempt: int, before: str, values: dict) -> bool:
        """The compare-and-set everything rests on: changes the job if it is in this attempt and state."""
        mine = (jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.state == before)
        return connection.execute(update(jobs).where(*mine).values(**values)).rowcount == 1

    def _end(
        self,
        connection: Connection,
        job_id: str,
        attempt: int,
        before: str,
        after: str,
        values: dict,
        *conditions: ColumnElement[bool],
        **detail: Any,
    ) -> bool:
        now = self.clock()
        ended = {"state": after, "finished": now, "stage": after, "lease_owner": None, "lease_expires": None, **values}
        mine = (jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.state == before, *conditions)
        statement = update(jobs).where(*mine).values(**ended).returning(jobs.c.webhook, jobs.c.error)
        row = connection.execute(statement).first()
        if row is None:
            return False
        self._note(connection, job_id, attempt, after, **detail)
        if row.webhook:  # in the same transaction: a result without its notice cannot happen
            data = {"id": job_id, "state": after, "error": row.error}
            payload = {"type": f"job.{after}", "timestamp": now, "data": data}
            connection.execute(
                insert(deliveries).values(
                    id=f"msg_{uuid.uuid4().hex}", job_id=job_id, url=row.webhook, payload=payload, tries=0, next_try=now
                )
            )
        return True

    def _requeue(self, connection: Connection, row: Row, reason: str, delay: float) -> None:
        values = {
            "state": "queued", "lease_owner": None, "lease_expires": None, "error": reason, "published": None,
            "not_before": self.clock() + delay, "progress": 0.0, "stage": "queued",
        }  # fmt: skip
        if self._change(connection, row.id, row.attempt, "running", values):
            self._note(connection, row.id, row.attempt, "requeued", reason=reason, delay=delay)

    def _note(self, connection: Connection, job_id: str, attempt: int, kind: str, **detail: Any) -> None:
        values = {"job_id": job_id, "at": self.clock(), "attempt": attempt, "kind": kind, "detail": detail}
        connection.execute(insert(events), values)


def _job(row: Row) -> Job:
    return Job(**row._mapping)
