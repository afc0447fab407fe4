"""Whose job is next: higher priorities first, then the user who has waited longest to be served, then the oldest.

So a batch of five hundred jobs delays another user's single job by no more than one job. Priorities of users are the
operator's to set; that of a job orders one user's own.
"""

from typing import Any

from sqlalchemy import Connection, Select, func, insert, update
from sqlalchemy.exc import IntegrityError

from sonic_core.errors import SettingsError
from sonic_core.ledger.tables import jobs, users
from sonic_core.storage.keys import check_id

MOST = 100


def in_turn(query: Select[Any]) -> Select[Any]:
    """A query of waiting jobs, ordered by whose turn it is."""
    query = query.outerjoin(users, users.c.id == jobs.c.user)
    return query.order_by(
        func.coalesce(users.c.priority, 0).desc(), func.coalesce(users.c.served, 0.0), jobs.c.priority.desc(),
        jobs.c.created, jobs.c.id,
    )  # fmt: skip


def note_served(connection: Connection, user: str, now: float) -> None:
    """Sends the user to the end of the line."""
    mine = update(users).where(users.c.id == user).values(served=now)
    if not connection.execute(mine).rowcount:
        try:
            with connection.begin_nested():
                connection.execute(insert(users).values(id=user, served=now))
        except IntegrityError:  # another worker was quicker
            connection.execute(mine)


def set_priority(engine: Any, user: str, priority: int) -> None:
    """Sets a user's priority; jobs of a higher one run first. Raises SettingsError when it is out of range."""
    if not -MOST <= priority <= MOST:
        raise SettingsError(f"priority is {priority}; give a whole number from {-MOST} to {MOST}.")
    check_id(user, "user")
    with engine.begin() as connection:
        if not connection.execute(update(users).where(users.c.id == user).values(priority=priority)).rowcount:
            connection.execute(insert(users).values(id=user, priority=priority))
