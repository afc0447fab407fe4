"""A limit on the threads that one kind of work may use at a time, so that other requests still find some."""

from __future__ import annotations

import anyio
from anyio.lowlevel import RunVar


class LoopLimit:
    """At most `most` threads for each event loop; `of_loop()` is the limiter for `anyio.to_thread.run_sync`."""

    def __init__(self, name: str, most: int):
        self.most = most
        self._limiter: RunVar[anyio.CapacityLimiter] = RunVar(name)

    def of_loop(self) -> anyio.CapacityLimiter:
        try:
            return self._limiter.get()
        except LookupError:
            limiter = anyio.CapacityLimiter(self.most)
            self._limiter.set(limiter)
            return limiter
