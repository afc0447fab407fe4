from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.clip import Clip
from sonic_core.errors import SettingsError
from sonic_core.finish.canvas import canvas, covering_box, fitting_size
from sonic_core.finishing import CANVAS_MODES, parse_canvas

SIDES = st.integers(16, 3000)


@pytest.fixture
def clip() -> Clip:
    y, x = np.mgrid[0:96, 0:128].astype(np.float32)
    frame = np.stack([x / 128, y / 96, 0 * x + 0.5], -1)
    return Clip.of_frames(np.stack([frame, 1 - frame]), Fraction(25))


@pytest.mark.parametrize("mode", CANVAS_MODES)
@pytest.mark.parametrize("size", [(90, 160), (160, 90), (100, 100), (32, 32)])
def test_has_the_size_asked_for(clip: Clip, mode: str, size: tuple[int, int]) -> None:
    out = canvas(clip, size, mode)
    frames = np.concatenate(list(out.chunks()))
    assert frames.shape == (2, size[1], size[0], 3)
    assert out.fps == clip.fps and frames.min() >= 0 and frames.max() <= 1


def test_fit_shows_the_whole_picture_between_black_bars(clip: Clip) -> None:
    frame = next(canvas(clip, (128, 192), "fit").frames())
    assert np.array_equal(frame[48:144], next(clip.frames()))
    assert not frame[:48].any() and not frame[144:].any()


def test_blur_fills_the_bars_with_something_smooth_and_dark(clip: Clip) -> None:
    frame = next(canvas(clip, (128, 192), "blur").frames())
    bar = frame[:40]
    assert 0.05 < bar.mean() < 0.5
    assert np.abs(np.diff(bar, axis=0)).max() < 0.02


def test_fill_keeps_the_face(clip: Clip) -> None:
    left = next(canvas(clip, (48, 96), "fill", face=(0, 30, 20, 50)).frames())
    right = next(canvas(clip, (48, 96), "fill", face=(108, 30, 128, 50)).frames())
    assert np.array_equal(left, next(clip.frames())[:, :48])
    assert np.array_equal(right, next(clip.frames())[:, 80:])


@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES), st.tuples(st.floats(-500, 3500), st.floats(-500, 3500)))
def test_geometry_stays_inside(picture, room, corner) -> None:
    x1, y1, x2, y2 = covering_box(picture, room, (*corner, corner[0] + 50, corner[1] + 50))
    assert 0 <= x1 < x2 <= picture[0] and 0 <= y1 < y2 <= picture[1]
    assert abs((x2 - x1) * room[1] - (y2 - y1) * room[0]) <= max(room)  # the shape, to a pixel
    width, height = fitting_size(picture, room)
    assert 1 <= width <= room[0] and 1 <= height <= room[1]
    assert width == room[0] or height == room[1]


def test_sizes_have_names() -> None:
    assert parse_canvas("9:16") == (1080, 1920)
    assert parse_canvas("640X480") == (640, 480)
    for bad in ("3:7", "x", "12x", "-1x5", ""):
        with pytest.raises(SettingsError, match="canvas"):
            parse_canvas(bad)


def test_refuses_what_no_encoder_takes(clip: Clip) -> None:
    with pytest.raises(SettingsError, match="even"):
        canvas(clip, (101, 100))
    with pytest.raises(SettingsError, match="mode"):
        canvas(clip, (100, 100), "stretch")
