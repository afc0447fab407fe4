"""The one form in which long work reports its progress: `on_step(done, total, preview)`.

Every long call takes one, whatever it counts: steps, frames, bytes. Raising from it cancels the call, which then
leaves nothing unfinished behind. What lies deep below such a call (a block of sound, a window of speech, a layer of a
network) calls `stop_if_cancelled` in its loop instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

_check: ContextVar[Callable[[], None] | None] = ContextVar("check", default=None)


class OnStep(Protocol):
    """Called after each unit of work. `preview` is a float32 (height, width, 3) picture in [0, 1], or None."""

    def __call__(self, done: int, total: int, preview: Any = None, /) -> None: ...


def no_step(done: int, total: int, preview: Any = None) -> None:
    """The `on_step` of a caller who does not watch."""


@contextmanager
def stopped_by(check: Callable[[], None]) -> Iterator[None]:
    """Within it `stop_if_cancelled` calls `check`, which raises to stop the work. Other threads are not affected."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def stop_if_cancelled() -> None:
    """Raise what the check of `stopped_by` raises; outside of it do nothing."""
    check = _check.get()
    if check is not None:
        check()
