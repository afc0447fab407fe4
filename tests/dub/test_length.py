"""Which pictures fill a speech that is longer than the video."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.dub.length import lengthened
from sonic_core.dubbing import LONGER


def pairs(count):
    """Frame k is k all over, and what belongs to it is k."""
    return lambda: ((np.full((2, 3, 3), k, np.uint8), k) for k in range(count))


def shown(count, wanted, mode, stretch=4) -> list[int]:
    found = list(lengthened(pairs(count), count, wanted, mode, stretch))
    assert all(frame.dtype == np.uint8 and frame.max() == k for frame, k in found)
    return [k for _, k in found]


def test_named_choices():
    assert shown(6, 11, "freeze") == [0, 1, 2, 3, 4, 5, 5, 5, 5, 5, 5]
    assert shown(3, 8, "loop") == [0, 1, 2, 0, 1, 2, 0, 1]
    assert shown(6, 15, "pingpong") == [0, 1, 2, 3, 4, 5, 4, 3, 2, 3, 4, 5, 4, 3, 2]


@given(st.integers(1, 12), st.integers(1, 60), st.sampled_from(LONGER), st.integers(1, 20))
def test_always_as_many_as_wanted(count, wanted, mode, stretch):
    found = shown(count, wanted, mode, stretch)
    assert len(found) == wanted and found[: min(count, wanted)] == list(range(min(count, wanted)))


@given(st.integers(2, 12), st.integers(2, 20), st.integers(1, 60))
def test_back_and_forth_never_jumps(count, stretch, wanted):
    assert max(np.abs(np.diff(shown(count, wanted, "pingpong", stretch))), default=0) <= 1


@pytest.mark.parametrize("mode", LONGER)
def test_one_frame_is_enough(mode):
    assert shown(1, 4, mode) == [0, 0, 0, 0]
