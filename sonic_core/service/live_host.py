"""What live talks share: the engine, the places for them, and the tickets with which sockets begin."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sonic_core.errors import InputError
from sonic_core.service.slots import Slots

TICKET_SECONDS = 60.0
TICKETS = 100


@dataclass(frozen=True)
class Ticket:
    """Lets one socket begin one talk."""

    user: str
    photo: np.ndarray
    settings: dict[str, Any]
    consent_id: str
    until: float


@dataclass
class LiveHost:
    """The talks of this process; the engine is loaded with the first one."""

    load: Callable[[], Any]  # () -> SonicPipeline
    slots: Slots = field(default_factory=lambda: Slots("live talks", 1, 2))
    tickets: dict[str, Ticket] = field(default_factory=dict)
    _pipe: Any = None
    _loading: threading.Lock = field(default_factory=threading.Lock)

    def pipe(self) -> Any:
        """The SonicPipeline that all talks use."""
        with self._loading:
            if self._pipe is None:
                self._pipe = self.load()
        return self._pipe

    def issue(self, ticket: Ticket) -> str:
        """Raises InputError where too many wait."""
        now = time.monotonic()
        self.tickets = {word: kept for word, kept in self.tickets.items() if kept.until > now}
        if len(self.tickets) >= TICKETS:
            raise InputError("Too many talks wait to begin; try again in a minute.")
        word = secrets.token_urlsafe(32)
        self.tickets[word] = ticket
        return word

    def redeem(self, word: str) -> Ticket | None:
        ticket = self.tickets.pop(word, None)
        return ticket if ticket is not None and ticket.until > time.monotonic() else None
