"""Two photos as one picture, and several videos as one."""

from fractions import Fraction

import numpy as np
import pytest

from sonic_core.clip import Clip
from sonic_core.dialogue.picture import composed, shares, side_by_side
from sonic_core.face.detect import Face

FACES = [
    Face((10.0, 20.0, 30.0, 50.0), np.zeros((478, 3), np.float32), 1.0),
    Face((70.0, 20.0, 90.0, 50.0), np.zeros((478, 3), np.float32), 1.0),
]


def test_photos_are_set_side_by_side_at_the_lower_height():
    left, right = np.full((100, 80, 3), 10, np.uint8), np.full((50, 60, 3), 200, np.uint8)
    picture = side_by_side(left, right)
    assert picture.shape == (50, 100, 3) and picture[:, :40].max() == 10 and picture[:, 40:].min() == 200


def test_every_pixel_comes_from_the_videos_in_full_and_heads_from_their_own():
    weights = shares(FACES, 100, 60)
    assert weights.sum(0) == pytest.approx(1, abs=1e-6)
    assert weights[0, 20:50, 10:30].min() > 0.99 and weights[1, 20:50, 70:90].min() > 0.99
    assert weights[0, 35, 50] == pytest.approx(0.5, abs=0.15)


def test_each_head_moves_as_in_its_own_video():
    base = np.full((3, 60, 100, 3), 0.5, np.float32)
    first, second = base.copy(), base.copy()
    first[:, 20:50, 10:30], second[:, 20:50, 70:90] = 0.1, 0.9
    clip = composed([Clip.of_frames(frames, Fraction(25)) for frames in (first, second)], FACES)
    frame = list(clip.frames())[1]
    assert frame[35, 20] == pytest.approx(0.1, abs=0.01) and frame[35, 80] == pytest.approx(0.9, abs=0.01)
    assert frame[5, 50] == pytest.approx(0.5, abs=1e-6) and clip.frame_count == 3
