"""Which pictures fill the rest when the new speech is longer than the video.

loop: the video from its start again; freeze: the last picture; pingpong: the end of the last shot back and forth,
which hides the seam better than either.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, cycle, islice, repeat
from typing import TypeVar

import numpy as np

from sonic_core.dubbing import Longer

T = TypeVar("T")
BACK_AND_FORTH = 2.0  # seconds at most of the last shot


def lengthened(
    make: Callable[[], Iterable[tuple[np.ndarray, T]]], count: int, wanted: int, mode: Longer, stretch: int
) -> Iterator[tuple[np.ndarray, T]]:
    """The first `wanted` pairs of (uint8 frame, what belongs to it), continued by `mode` beyond the `count` of `make`.

    `stretch`: how many frames at the end are played back and forth; they are kept on disk.
    """
    if wanted <= count:
        yield from islice(make(), wanted)
    elif mode == "loop":
        yield from islice(chain.from_iterable(make() for _ in repeat(None)), wanted)
    else:
        yield from _with_held_end(make(), count, wanted, 1 if mode == "freeze" else min(stretch, count))


def _with_held_end(
    pairs: Iterable[tuple[np.ndarray, T]], count: int, wanted: int, held: int
) -> Iterator[tuple[np.ndarray, T]]:
    beside: list[T] = []
    with tempfile.TemporaryFile(prefix="sonic-dub-") as file:
        shape: tuple[int, ...] = ()
        for index, (frame, other) in enumerate(pairs):
            if index >= count - held:
                shape = frame.shape
                file.write(frame.tobytes())
                beside.append(other)
            yield frame, other
        size = int(np.prod(shape))
        for place in islice(cycle(_bounce(held)), wanted - count):
            file.seek(place * size)
            frame = np.frombuffer(file.read(size), np.uint8).reshape(shape)
            yield frame, beside[place]


def _bounce(held: int) -> list[int]:
    """Places of the held frames, from the one before the last back to the first and forth again to the last."""
    return [*range(held - 2, -1, -1), *range(1, held)] or [0]
