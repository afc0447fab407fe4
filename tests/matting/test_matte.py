"""The person in the example portrait: told from the background, whole, with an edge as fine as the photo's."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sonic_core.matting.cutout import Cutout, cut_out
from sonic_core.matting.matte import enlarged, matte, resized


@pytest.fixture(scope="module")
def photo(portrait_path: Path) -> np.ndarray:
    return np.asarray(Image.open(portrait_path).convert("RGB").resize((288, 288)))


@pytest.fixture(scope="module")
def cutout(photo: np.ndarray) -> Cutout:
    return cut_out(photo)


def test_the_face_is_the_persons_and_the_corners_are_not(cutout: Cutout) -> None:
    assert (cutout.alpha[60:130, 115:180] == 255).all()
    assert (cutout.alpha[:40, :60] == 0).all() and (cutout.alpha[:40, -60:] == 0).all()


def test_the_edge_is_thin_and_the_rest_is_clear(cutout: Cutout) -> None:
    between = ((cutout.alpha > 5) & (cutout.alpha < 250)).mean()
    assert 0.002 < between < 0.06


def test_colours_change_only_where_alpha_is_not_whole(photo: np.ndarray, cutout: Cutout) -> None:
    whole = cutout.alpha == 255
    assert np.abs(cutout.colours[whole].astype(int) - photo[whole]).max() <= 2


def test_upside_down_background_does_not_matter(photo: np.ndarray) -> None:
    """The same person over another background has nearly the same outline."""
    before = matte(photo)
    y, x = np.mgrid[: photo.shape[0], : photo.shape[1]]
    other = np.stack([90 + x * 0.3, 120 + y * 0.2, 150 - x * 0.1], -1)
    moved = (photo * before[..., None] + other * (1 - before[..., None])).astype(np.uint8)
    assert np.abs(matte(moved) - before).mean() < 0.02


def test_a_large_photo_gets_alpha_at_its_own_size() -> None:
    small = np.full((64, 64, 3), 230, np.uint8)
    alpha = np.zeros((64, 64), np.float32)
    cv2.circle(small, (32, 32), 14, (30, 30, 30), -1)
    cv2.circle(alpha, (32, 32), 14, 1.0, -1)
    large = cv2.resize(small, (256, 256), interpolation=cv2.INTER_CUBIC)
    found = enlarged(large, resized(small, (64, 64)), alpha)
    assert found.shape == (256, 256)
    assert found[128, 128] > 0.95 and found[10, 10] < 0.05
    assert ((found > 0.1) & (found < 0.9)).mean() < 0.1


def test_a_part_of_a_cutout(cutout: Cutout) -> None:
    part = cutout.part((40, 20, 240, 220), (100, 100))
    assert part.pixels.shape == (100, 100, 4)
    assert part.alpha[50, 50] == 255
