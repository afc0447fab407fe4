"""Work that is done again and again for as long as a process lives: sweeping, webhooks, a worker's turns.

A round that fails, however it fails, is logged and tried again after a growing pause. A loop's health is
read from what it last did itself, never from a thread beside it. Knows nothing of the work.
"""

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

_LONGEST_PAUSE = 60.0
_LATE_SECONDS = 60.0  # a loop is unhealthy when it has finished no round for its own pause plus this long


class Loop:
    """Calls `work` every `seconds` until `stop` is set. `work` returns True to be called again at once."""

    def __init__(self, name: str, work: Callable[[], object], stop: threading.Event, seconds: float):
        self.name, self._work, self._stop, self._seconds = name, work, stop, seconds
        self._last_good = time.monotonic()
        self._failures = 0
        self._thread: threading.Thread | None = None

    def start(self) -> "Loop":
        self._thread = threading.Thread(target=self.run, name=self.name, daemon=True)
        self._thread.start()
        return self

    def run(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            try:
                again = self._work()
            except Exception as error:  # whatever it was: the next round may do better, and no round is the last
                self._failures += 1
                pause = min(self._seconds * 2 ** min(self._failures, 10), max(_LONGEST_PAUSE, self._seconds))
                logger.warning("%s failed and is tried again in %.0f s", self.name, pause, exc_info=error)
            else:
                self.went_well()
                pause = 0.0 if again is True else self._seconds

    def went_well(self) -> None:
        """Notes a finished round. Long work calls it while it goes on."""
        self._last_good, self._failures = time.monotonic(), 0

    def trouble(self) -> str | None:
        """What is wrong with the loop, in words; None when it is healthy."""
        silent = time.monotonic() - self._last_good
        if self._thread is not None and not self._thread.is_alive() and not self._stop.is_set():
            return f"{self.name} has ended"
        if silent > self._seconds + _LATE_SECONDS:
            return f"{self.name} has not worked for {silent:.0f} s"
        return None
