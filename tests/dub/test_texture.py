"""Softness and grain of a picture are found as they were put in."""

import cv2
import numpy as np
import pytest

from sonic_core.dub.texture import grain, like_the_picture, softness


@pytest.fixture
def sharp():
    """Blocks with hard edges, no noise."""
    blocks = np.random.default_rng(0).integers(0, 255, (12, 12, 1)).repeat(3, -1)
    return blocks.repeat(16, 0).repeat(16, 1).astype(np.float32)


@pytest.mark.parametrize("blur", [0.6, 1.0, 1.8])
def test_softness_is_found(sharp, blur):
    assert softness(cv2.GaussianBlur(sharp, (0, 0), blur)) == pytest.approx(blur, abs=0.3)
    assert softness(sharp) < 0.5


@pytest.mark.parametrize("noise", [0.0, 2.0, 6.0])
def test_grain_is_found(sharp, noise):
    smooth = cv2.GaussianBlur(sharp, (0, 0), 3)
    noisy = smooth + np.random.default_rng(1).normal(0, noise, (*sharp.shape[:2], 1))
    assert grain(noisy) == pytest.approx(noise, abs=0.4 + 0.1 * noise)


def test_a_layer_becomes_like_the_picture(sharp):
    made = like_the_picture(sharp, 1.2, 3.0, seed=5)
    assert np.array_equal(made, like_the_picture(sharp, 1.2, 3.0, seed=5))
    assert grain(made) == pytest.approx(3.0, abs=0.8) and softness(cv2.blur(made, (1, 1))) < 1.4
    assert np.array_equal(like_the_picture(sharp, 0.0, 0.0, seed=5), sharp)


def test_too_small_to_say():
    assert softness(np.zeros((8, 40, 3))) == 0 and grain(np.zeros((8, 40, 3))) == 0
