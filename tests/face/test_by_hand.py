from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.errors import InputError, SettingsError
from sonic_core.face.by_hand import box_of_mask, parse_box


@given(st.lists(st.floats(-1e4, 1e4), min_size=4, max_size=4), st.sampled_from([" ", ",", ", ", "  "]))
def test_a_box_is_read_back(numbers: list[float], separator: str) -> None:
    assert parse_box(separator.join(repr(number) for number in numbers)) == tuple(numbers)


@pytest.mark.parametrize("text", ["", "   "])
def test_nothing_is_no_box(text: str) -> None:
    assert parse_box(text) is None


@pytest.mark.parametrize("text", ["1 2 3", "1 2 3 4 5", "a b c d", "1;2;3;4"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="four numbers"):
        parse_box(text)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 10), st.integers(1, 10), st.integers(1, 5))
def test_the_box_of_a_mask_at_any_scale(x: int, y: int, width: int, height: int, scale: int) -> None:
    mask = np.zeros((40, 40), np.float32)
    mask[y : y + height, x : x + width] = 1
    box = box_of_mask(mask, (40 * scale, 40 * scale))
    assert box == tuple(scale * side for side in (x, y, x + width, y + height))


def test_an_empty_mask_is_no_box_and_a_batch_of_one_is_a_mask() -> None:
    assert box_of_mask(np.zeros((1, 8, 8), np.float32), (8, 8)) is None
    with pytest.raises(InputError, match="shape"):
        box_of_mask(np.zeros((2, 8, 8), np.float32), (8, 8))
