"""The one form in which long work reports its progress: `on_step(done, total, preview)`.

Every long call takes one, whatever it counts: steps, frames, bytes. Raising from it cancels the call, which then
leaves nothing unfinished behind.
"""

from __future__ import annotations

from typing import Any, Protocol


class OnStep(Protocol):
    """Called after each unit of work. `preview` is a float32 (height, width, 3) picture in [0, 1], or None."""

    def __call__(self, done: int, total: int, preview: Any = None, /) -> None: ...


def no_step(done: int, total: int, preview: Any = None) -> None:
    """The `on_step` of a caller who does not watch."""
