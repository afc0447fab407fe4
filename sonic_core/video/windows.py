"""Walks through a stream of frames with a view of some frames before and after, in constant memory.

A stage says how far it must see; this module holds just those frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from sonic_core.clip import Clip

T = TypeVar("T")


@dataclass(frozen=True)
class Reach:
    """How many frames a stage must see before and after the one it makes."""

    before: int
    after: int


@dataclass(frozen=True)
class Window(Generic[T]):
    """One item of a stream with its neighbours: fewer at the ends of the stream, the nearest last in `before`."""

    index: int
    before: list[T]
    here: T
    after: list[T]


def windows(items: Iterable[T], reach: Reach) -> Iterator[Window[T]]:
    """One window per item, in order. Holds at most `before + 1 + after` items."""
    held: deque[T] = deque()
    position = index = 0  # where in `held` the next window's item is, and its number in the stream
    for item in items:
        held.append(item)
        if len(held) - position > reach.after:
            yield _window(held, position, index)
            position, index = _advance(held, position, reach.before), index + 1
        del item  # the loop variable would keep one more item alive while the source makes the next
    while position < len(held):
        yield _window(held, position, index)
        position, index = _advance(held, position, reach.before), index + 1


def _window(held: deque[T], position: int, index: int) -> Window[T]:
    items = list(held)
    return Window(index, items[:position], items[position], items[position + 1 :])


def _advance(held: deque[T], position: int, before: int) -> int:
    if position + 1 > before:
        held.popleft()
        return position
    return position + 1


def single_frames(clip: Clip) -> Iterator[np.ndarray]:
    """Frames (h, w, 3) that own their memory, so that keeping one does not keep the whole chunk it came in."""
    for chunk in clip.chunks():
        for frame in chunk:
            yield frame if len(chunk) == 1 else frame.copy()


def stage(clip: Clip, frames: Callable[[], Iterator[np.ndarray]], **changes: object) -> Clip:
    """A clip like `clip` whose frames are what `frames()` yields, one (h, w, 3) at a time."""
    return clip.replaced(make=lambda: (np.ascontiguousarray(frame)[None] for frame in frames()), **changes)


def mapped(clip: Clip, function: Callable[[int, np.ndarray], np.ndarray], **changes: object) -> Clip:
    """A clip in which every frame (h, w, 3) is `function(index, frame)`."""
    return stage(clip, lambda: (function(i, frame) for i, frame in enumerate(clip.frames())), **changes)
