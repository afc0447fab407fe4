"""All stages one after another: memory does not grow with the length, and the chain can be iterated twice."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

from sonic_core.clip import Clip
from sonic_core.disclosure.label import VisibleLabel, label
from sonic_core.finish.canvas import canvas
from sonic_core.finish.paste_back import paste_back
from sonic_core.finish.smooth import smooth
from sonic_core.video.interpolate import interpolate

SIDE = 32


def source(count: int) -> Clip:
    ground = np.random.default_rng(0).random((SIDE, SIDE, 3)).astype(np.float32)

    def make():
        for k in range(0, count, 8):
            yield np.stack([np.roll(ground, i % 3, 1) for i in range(k, min(k + 8, count))])

    return Clip(SIDE, SIDE, count, Fraction(25), make)


def chain(count: int) -> Clip:
    photo = np.zeros((60, 72, 3), np.uint8)
    clip = smooth(source(count), 1.0, lambda: lambda frame: None)
    clip = paste_back(clip, photo, (10, 4, 58, 52))
    return label(canvas(interpolate(clip, 30, "flow"), (96, 128), "blur"), VisibleLabel())


def peak(count: int) -> int:
    """Most bytes held while a chain over `count` frames is pulled through."""
    clip = chain(count)
    tracemalloc.start()
    seen = sum(len(chunk) for chunk in clip.chunks())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen == clip.frame_count
    return most


def test_memory_does_not_grow_with_the_length() -> None:
    short, long = peak(16), peak(48)
    frame = SIDE * SIDE * 3 * 4
    assert long - short < 30 * frame  # 32 more frames, each held with its flow, would be over 100


@pytest.mark.parametrize("count", [1, 2, 7])
def test_gives_the_same_frames_twice(count: int) -> None:
    clip = chain(count)
    first, second = (np.concatenate(list(clip.chunks())) for _ in range(2))
    assert first.shape == (round(count / 25 * 30), 128, 96, 3)
    assert np.array_equal(first, second)
