from __future__ import annotations

import weakref
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.clip import Clip
from sonic_core.video.windows import Reach, mapped, single_frames, windows


@given(st.integers(0, 30), st.integers(0, 6), st.integers(0, 6))
def test_every_item_sees_its_neighbours(count: int, before: int, after: int) -> None:
    items = list(range(count))
    seen = list(windows(iter(items), Reach(before, after)))
    assert [window.here for window in seen] == items
    for i, window in enumerate(seen):
        assert window.index == i
        assert window.before == items[max(0, i - before) : i]
        assert window.after == items[i + 1 : i + 1 + after]


class Item:
    """Something that can be watched for being let go."""


@given(st.integers(0, 4), st.integers(0, 4))
def test_holds_what_was_asked_for_and_no_more(before: int, after: int) -> None:
    alive: weakref.WeakSet[Item] = weakref.WeakSet()
    most = 0

    def source():
        nonlocal most
        for _ in range(20):
            item = Item()
            alive.add(item)
            most = max(most, len(alive))
            yield item
            del item

    for window in windows(source(), Reach(before, after)):
        del window
    assert most <= before + 1 + after + 1  # the one just coming in


def test_kept_frames_do_not_keep_their_chunk() -> None:
    chunk = np.zeros((4, 8, 8, 3), np.float32)
    frames = list(single_frames(Clip.of_frames(chunk, Fraction(25))))
    assert len(frames) == 4
    assert not any(np.shares_memory(frame, chunk) for frame in frames)


def test_mapped_clip_can_be_iterated_twice() -> None:
    frames = np.random.default_rng(0).random((5, 8, 8, 3), np.float32)
    clip = mapped(Clip.of_frames(frames, Fraction(25)), lambda i, frame: frame * (i == 2))
    first, second = (np.concatenate(list(clip.chunks())) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(first[2], frames[2]) and not first[3].any()
