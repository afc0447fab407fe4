"""Places for jobs whose material is still being uploaded: limits are checked and a place is taken in one transaction.

A request reserves before it stores anything, renews while it lives, and turns the place into the job when the
material is there. When a request dies, its place lapses, and the sweeper deletes what it had stored.
"""

import uuid
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from sonic_core.errors import SonicError
from sonic_core.ledger.database import autocommit, one_at_a_time
from sonic_core.ledger.ledger import Ledger
from sonic_core.ledger.tables import jobs, reservations

RESERVATION_SECONDS = 60.0
_DAY = 24 * 3600.0


class LimitError(SonicError):
    """The user has reached a limit; the same request will work later."""


class ReservedError(SonicError):
    """A request with the same idempotency key is under way, or this one lost its place to another."""


@dataclass(frozen=True)
class Limits:
    """Per user, and for the queue as a whole."""

    active_jobs: int = 20  # coming in, queued and running
    jobs_a_day: int = 500
    queued_jobs: int = 1000  # of all users; above it the service is not ready
    gigapixels_a_day: float = 1000.0  # width x height x frames of a user's videos


@dataclass(frozen=True)
class Reservation:
    """The place of one request."""

    job_id: str
    user: str
    token: str


@dataclass(frozen=True)
class PartedUpload:
    """What the client said when it began an upload in parts."""

    kind: str  # image, audio
    size: int  # bytes
    key: str
    name: str  # the store's id of the upload


def reserve(
    ledger: Ledger, user: str, job_id: str, limits: Limits, seconds: float = RESERVATION_SECONDS
) -> Reservation | None:
    """Takes a place for a future job; None when the job exists already.

    The place lapses after `seconds` unless renewed. Raises LimitError where one more would be too
    many, and ReservedError while another request holds the same id.
    """
    now = ledger.clock()
    reservation = Reservation(job_id, user, uuid.uuid4().hex)
    with ledger.engine.begin() as connection:
        one_at_a_time(connection)
        if connection.execute(select(jobs.c.id).where(jobs.c.id == job_id)).first() is not None:
            return None
        same = select(reservations.c.expires).where(reservations.c.id == job_id)
        held = connection.execute(same).scalar()
        if held is not None and held > now:
            raise ReservedError("A request with this Idempotency-Key is still under way; ask again when it has ended.")
        _check_counts(connection, user, limits, now)
        connection.execute(delete(reservations).where(reservations.c.id == job_id))
        values = {"id": job_id, "user": user, "token": reservation.token, "created": now}
        connection.execute(insert(reservations).values(**values, expires=now + seconds))
    return reservation


def _check_counts(connection: Connection, user: str, limits: Limits, now: float) -> None:
    mine = select(func.count()).select_from(jobs).where(jobs.c.user == user)
    coming = select(func.count()).select_from(reservations).where(reservations.c.expires > now)
    reserved = connection.execute(coming.where(reservations.c.user == user)).scalar_one()
    active = connection.execute(mine.where(jobs.c.state.in_(("queued", "running")))).scalar_one() + reserved
    if active >= limits.active_jobs:
        raise LimitError(f"You have {active} jobs under way; at most {limits.active_jobs} are allowed at a time.")
    today = connection.execute(mine.where(jobs.c.created >= now - _DAY)).scalar_one() + reserved
    if today >= limits.jobs_a_day:
        raise LimitError(f"You started {today} jobs in the last day; at most {limits.jobs_a_day} are allowed.")
    waiting = select(func.count()).select_from(jobs).where(jobs.c.state == "queued")
    if connection.execute(waiting).scalar_one() + connection.execute(coming).scalar_one() >= limits.queued_jobs:
        raise LimitError("The queue is full; try again in a few minutes.")


def _held(reservation: Reservation) -> ColumnElement[bool]:
    """The row of a place, as long as nobody else has taken it."""
    return and_(reservations.c.id == reservation.job_id, reservations.c.token == reservation.token)


def pixels_today(connection: Connection, user: str, now: float) -> float:
    """How many pixels the user's jobs of the last day have drawn or will draw."""
    query = select(func.sum(jobs.c.cost)).where(jobs.c.user == user, jobs.c.created >= now - _DAY)
    return float(connection.execute(query).scalar() or 0.0)


def take_place(ledger: Ledger, reservation: Reservation, cost: float, limits: Limits, connection: Connection) -> None:
    """Gives up the place and checks what the job will cost, within the transaction that makes the job.

    Raises ReservedError where the place has lapsed, LimitError where the day's pixels do not suffice.
    """
    one_at_a_time(connection)
    if connection.execute(delete(reservations).where(_held(reservation))).rowcount != 1:
        raise ReservedError("The upload took too long and lost its place; send it again.")
    used, allowed = pixels_today(connection, reservation.user, ledger.clock()), limits.gigapixels_a_day * 1e9
    if used + cost > allowed:
        raise LimitError(
            f"This video has {cost / 1e9:.1f} gigapixels (width x height x frames) and you have "
            f"{max(allowed - used, 0.0) / 1e9:.1f} of {limits.gigapixels_a_day:g} left today; choose a smaller "
            "min_resolution, a lower fps or a shorter sound, or wait."
        )


def renew(ledger: Ledger, reservation: Reservation) -> bool:
    """Extends a place; False when it has lapsed or been released."""
    values = {"expires": ledger.clock() + RESERVATION_SECONDS}
    with autocommit(ledger.engine) as connection:
        return connection.execute(update(reservations).where(_held(reservation)).values(**values)).rowcount == 1


def note_upload(
    ledger: Ledger, reservation: Reservation, upload: PartedUpload
) -> tuple[Reservation, float, PartedUpload]:
    """Notes with a place what its upload was begun with; returns as `find_upload`. Raises ReservedError."""
    with autocommit(ledger.engine) as connection:
        connection.execute(update(reservations).where(_held(reservation)).values(upload=asdict(upload)))
    found = find_upload(ledger, reservation.user, reservation.job_id)
    if found is None:
        raise ReservedError("The upload took too long and lost its place; send it again.")
    return found


def find_upload(ledger: Ledger, user: str, upload_id: str) -> tuple[Reservation, float, PartedUpload] | None:
    """The place of a user's upload in parts, when it lapses, and what it was begun with; None when it has lapsed."""
    columns = (reservations.c.token, reservations.c.expires, reservations.c.upload)
    mine = (reservations.c.id == upload_id, reservations.c.user == user, reservations.c.expires > ledger.clock())
    with autocommit(ledger.engine) as connection:
        row = connection.execute(select(*columns).where(*mine)).first()
    if row is None or row.upload is None:
        return None
    return Reservation(upload_id, user, row.token), row.expires, PartedUpload(**row.upload)


def release(ledger: Ledger, reservation: Reservation) -> None:
    """Gives up a place whose request failed."""
    with autocommit(ledger.engine) as connection:
        connection.execute(delete(reservations).where(_held(reservation)))


def release_by_id(connection: Connection, user: str, ids: set[str]) -> None:
    """Gives up places whose uploads have become part of a job."""
    connection.execute(delete(reservations).where(reservations.c.user == user, reservations.c.id.in_(ids)))


def lapsed(ledger: Ledger, limit: int = 100) -> list[Reservation]:
    """Places whose requests have died. What they stored must be deleted before they are released."""
    columns = (reservations.c.id, reservations.c.user, reservations.c.token)
    query = select(*columns).where(reservations.c.expires <= ledger.clock()).limit(limit)
    with autocommit(ledger.engine) as connection:
        return [Reservation(*row) for row in connection.execute(query)]
