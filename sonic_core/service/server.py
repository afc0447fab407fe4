"""Runs the service's app on a socket until a signal comes, and then ends everything at once."""

import socket
import threading
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from sonic_core.errors import SettingsError

_GRACE_SECONDS = 3  # for requests under way


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises SettingsError with the address when it cannot be had."""
    if not 0 <= port < 1 << 16:  # the system would take it modulo 65536
        raise SettingsError(f"The port is {port}; give one from 0, which takes a free one, to 65535.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(512)
    except OSError as error:
        raise SettingsError(f"The service cannot listen on {host}:{port}: {error}; choose another --port.") from None
    return found


class _Server(uvicorn.Server):
    """uvicorn, with a word to the worker as soon as the signal comes."""

    def __init__(self, config: uvicorn.Config, end: Callable[[], None]):
        super().__init__(config)
        self._end = end
        self.ending: threading.Thread | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.ending is None:
            self.ending = threading.Thread(target=self._end, name="ending")
            self.ending.start()
        super().handle_exit(sig, frame)
        self._captured_signals.clear()  # uvicorn would raise them again and kill the process before it has let go


def run_server(app: FastAPI, listener: socket.socket, end: Callable[[], None]) -> None:
    """Serves until SIGINT or SIGTERM; `end` runs on a thread as soon as one comes, and has ended when this returns."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        proxy_headers=False,  # a header must not say who the peer is
        timeout_keep_alive=15,
        limit_concurrency=2000,
        h11_max_incomplete_event_size=64 << 10,
    )
    server = _Server(config, end)
    server.run(sockets=[listener])
    if server.ending is None:
        end()
    else:
        server.ending.join()
