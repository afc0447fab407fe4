"""Holds what live talks share: the engine, the places for talks, and the tickets."""

import importlib.util
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sonic_core.errors import InputError, SettingsError
from sonic_core.service.slots import Slots

TICKET_SECONDS = 60.0
TICKETS = 100


@dataclass(frozen=True)
class Ticket:
    """Admits one socket to one talk."""

    user: str
    photo: np.ndarray
    settings: dict[str, Any]
    consent_id: str
    until: float


@dataclass
class LiveHost:
    """The talks of this process. The first one loads the engine."""

    load: Callable[[], Any]  # () -> SonicPipeline
    slots: Slots = field(default_factory=lambda: Slots("live talks", 1, 2))
    webrtc: bool = field(default_factory=lambda: importlib.util.find_spec("aiortc") is not None)
    ice_servers: list[dict[str, Any]] = field(default_factory=list)  # given to browsers, too
    tickets: dict[str, Ticket] = field(default_factory=dict)
    _pipe: Any = None
    _loading: threading.Lock = field(default_factory=threading.Lock)

    def pipe(self) -> Any:
        """Return the SonicPipeline that all talks use."""
        with self._loading:
            if self._pipe is None:
                self._pipe = self.load()
        return self._pipe

    def issue(self, ticket: Ticket) -> str:
        """Return the secret that redeems the ticket. Raises InputError when too many tickets wait."""
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


def ice_servers_from(text: str) -> list[dict[str, Any]]:
    """Read the STUN and TURN servers in the JSON of SONIC_ICE_SERVERS. Raises SettingsError."""
    try:
        servers = json.loads(text or "[]")
    except ValueError:
        servers = None
    if not isinstance(servers, list) or not all(_is_ice_server(server) for server in servers):
        raise SettingsError(
            'SONIC_ICE_SERVERS must be a list like [{"urls": "stun:host:3478"}], for TURN with username and credential'
        )
    return servers


def _is_ice_server(server: Any) -> bool:
    return isinstance(server, dict) and "urls" in server and server.keys() <= {"urls", "username", "credential"}
