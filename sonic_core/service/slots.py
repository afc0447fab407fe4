"""How many of something may be under way at once: for each user and for all, so that one cannot crowd out the rest.

Counts live in this process; what must hold across replicas is counted in the ledger.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from sonic_core.ledger.reservations import LimitError


class Slots:
    """Places for `what`. Used from the event loop only, so a count needs no lock."""

    def __init__(self, what: str, of_one_user: int, in_all: int):
        self._what, self._of_one_user, self._in_all = what, of_one_user, in_all
        self._taken: Counter[str] = Counter()

    @contextmanager
    def take(self, user: str) -> Iterator[None]:
        """A place while the block runs. Raises LimitError where there is none."""
        self.check(user)
        self._taken[user] += 1
        try:
            yield
        finally:
            self._taken[user] -= 1
            if not self._taken[user]:
                del self._taken[user]

    def check(self, user: str) -> None:
        """Raises LimitError where there is no place."""
        if self._taken[user] >= self._of_one_user:
            raise LimitError(f"You have {self._taken[user]} {self._what} under way; more are not allowed at a time.")
        if self._taken.total() >= self._in_all:
            raise LimitError(f"The service has as many {self._what} under way as it can bear; try again in a minute.")
