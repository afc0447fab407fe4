"""Sends a talk to an RTMP server or a UDP address."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av

from sonic_core.disclosure.label import RECORD_KEY, VisibleLabel, record
from sonic_core.errors import OutputError
from sonic_core.live.encoder import LiveEncoder
from sonic_core.live.pace import LiveFrame

logger = logging.getLogger(__name__)

FORMATS = {"rtmp": "flv", "rtmps": "flv", "udp": "mpegts", "srt": "mpegts"}
OPEN_SECONDS = 10.0
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds between two tries to connect


def scheme(target: str) -> str | None:
    """Return the scheme of an address that can be pushed to, None for a file. Raises OutputError for anything else."""
    before, mark, _ = target.partition("://")
    if not mark:
        if Path(target).suffix.lower() != ".mp4":
            raise OutputError(f"the file {target!r} must end in .mp4; addresses begin with {', '.join(FORMATS)}")
        return None
    if before.lower() not in FORMATS:
        raise OutputError(f"the address begins with {before!r}; give one of {', '.join(FORMATS)}, or a file")
    return before.lower()


def shortened(target: str) -> str:
    """Return an address without its last part, which on most platforms is the secret stream key."""
    return target.rpartition("/")[0] + "/..." if "://" in target else target


class Push:
    """Sends moments to an address. It opens a broken connection again after longer and longer waits and loses the
    moments in between.
    """

    def __init__(
        self,
        target: str,
        size: tuple[int, int],
        label: VisibleLabel | None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.target, self.size, self.label, self.clock = target, size, label, clock
        self.format = FORMATS[scheme(target) or "rtmp"]
        self.container: Any = None
        self.encoder: LiveEncoder | None = None
        self.connections = self.lost = 0
        self._next, self._wait = 0.0, FIRST_WAIT
        self._open()

    def write(self, shown: LiveFrame) -> None:
        """Send a moment; lose it while there is no connection."""
        if self.encoder is None and self.clock() >= self._next:
            try:
                self._open()
            except OutputError as error:
                self._fail(str(error))
        if self.encoder is None:
            self.lost += 1
            return
        try:
            self.encoder.write(shown)
            self._wait = FIRST_WAIT
        except (av.FFmpegError, OSError) as error:
            self.lost += 1
            self._drop()
            self._fail(f"the connection to {shortened(self.target)} broke ({error.strerror})")

    def close(self) -> None:
        """Send what is left and hang up."""
        if self.encoder is not None:
            try:
                self.encoder.finish()
            except (av.FFmpegError, OSError) as error:
                logger.warning("the end of the stream was not sent: %s", error.strerror)
        self._drop()

    def _open(self) -> None:
        options = {"flvflags": "no_duration_filesize"} if self.format == "flv" else {}
        try:
            self.container = av.open(
                self.target, "w", format=self.format, container_options=options, timeout=(OPEN_SECONDS, OPEN_SECONDS)
            )
            self.encoder = LiveEncoder(self.container, self.size, self.label)
            if self.format == "mpegts":  # MPEG-TS has no other metadata
                self.container.metadata["service_name"] = f"{RECORD_KEY} {record()}"
            self.container.start_encoding()
        except (av.FFmpegError, OSError) as error:
            self._drop()
            reason = error.strerror or type(error).__name__
            raise OutputError(f"cannot connect to {shortened(self.target)} ({reason}); check the address") from error
        self.connections += 1

    def _drop(self) -> None:
        container, self.container, self.encoder = self.container, None, None
        if container is not None:
            try:
                container.close()
            except (av.FFmpegError, OSError) as error:
                logger.debug("closing a broken connection: %s", error.strerror)

    def _fail(self, reason: str) -> None:
        logger.warning("%s; next try in %.0f s", reason, self._wait)
        self._next, self._wait = self.clock() + self._wait, min(2 * self._wait, LONGEST_WAIT)
