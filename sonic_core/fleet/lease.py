"""A worker's hold on a job: a thread renews it while the work goes on and tells the work when it is lost.

Knows the ledger's heartbeat; no engine, no store.
"""

import logging
import threading
import time
from collections.abc import Callable

from sonic_core.ledger.jobs import Job
from sonic_core.ledger.ledger import Ledger

logger = logging.getLogger(__name__)

_BEAT_SECONDS = 2.0  # people watch the progress that comes with it


class JobStopped(Exception):
    """This worker must stop: the job was cancelled, its lease is lost, or it takes too long."""


class Lease:
    """Renews a job's lease from a thread while its `with` block runs; `report` raises once the lease is gone.

    It ends by itself after `limit` seconds: an engine that hangs must not hold its job for ever.
    """

    def __init__(
        self, ledger: Ledger, job: Job, seconds: float, limit: float, on_beat: Callable[[], None] = lambda: None
    ):
        self._ledger, self._job, self._seconds, self._limit = ledger, job, seconds, limit
        self._on_beat = on_beat  # called after each heartbeat that the ledger took
        self._progress, self._stage = 0.0, "starting"
        self._ended = threading.Event()
        self.stopped: str | None = None  # "cancel", "lost", "late" or "told to end"
        self._thread = threading.Thread(target=self._renew, name=f"lease-{job.id}", daemon=True)

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def stop(self, reason: str) -> None:
        """Makes the next `report` raise."""
        self.stopped = self.stopped or reason

    def report(self, stage: str, fraction: float) -> None:
        self._stage, self._progress = stage, min(max(fraction, 0.0), 1.0)
        if self.stopped:
            raise JobStopped(self.stopped)

    def _renew(self) -> None:
        held_until, late = time.monotonic() + self._seconds, time.monotonic() + self._limit
        while not self._ended.wait(min(self._seconds / 4, _BEAT_SECONDS)) and self.stopped is None:
            try:
                beat = self._ledger.heartbeat(
                    self._job.id, self._job.attempt, self._seconds, self._progress, self._stage
                )
            except Exception as error:  # this thread must outlive whatever keeps the ledger from answering
                logger.warning("job %s: the ledger did not answer a heartbeat (%s)", self._job.id, type(error).__name__)
                beat = "held" if time.monotonic() < held_until else "lost"
            else:
                held_until = time.monotonic() + self._seconds
                self._on_beat()
            if beat != "held":
                self.stopped = beat
            elif time.monotonic() > late:
                self.stopped = "late"
