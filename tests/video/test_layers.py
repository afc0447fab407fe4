"""Pictures over pictures, with and without alpha."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.video.layers import drawn_over, laid_over

SHARE = st.floats(0, 1, width=32)


def over(first: np.ndarray, background: float) -> np.ndarray:
    return first[..., :3] * first[..., 3:] + background * (1 - first[..., 3:])


@given(SHARE, SHARE, SHARE, SHARE, SHARE)
def test_text_on_a_cutout_looks_as_on_the_finished_picture(
    colour: float, alpha: float, text: float, cover: float, behind: float
) -> None:
    frame = np.full((1, 1, 4), [colour, colour, colour, alpha], np.float32)
    words, shape = np.full((1, 1, 1), text, np.float32), np.full((1, 1, 1), cover, np.float32)
    drawn = drawn_over(frame, words, shape)
    opaque = drawn_over(over(frame, behind), words, shape)
    assert np.allclose(over(drawn, behind), opaque, atol=1e-4)


def test_a_person_over_a_background() -> None:
    frame = np.zeros((2, 2, 4), np.uint8)
    frame[..., 0] = 200
    frame[..., 3] = [[0, 255], [128, 51]]
    behind = np.full((2, 2, 3), [10, 100, 250], np.uint8)
    share = frame[..., 3:] / 255
    expected = frame[..., :3] * share + behind * (1 - share)
    assert np.abs(laid_over(frame, behind) - expected).max() <= 1
