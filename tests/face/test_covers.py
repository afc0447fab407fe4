"""Covers drawn onto the example portrait: a mask over the mouth, dark lenses, and neither."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sonic_core.face.covers import find_covers

LANDMARKS = Path(__file__).parents[1] / "fixtures" / "portrait_landmarks.npy"
MASK = (117, 50, 195, 280, 346, 323, 361, 397, 379, 400, 152, 176, 150, 172, 132, 93)


@pytest.fixture(scope="module")
def landmarks() -> np.ndarray:
    return np.load(LANDMARKS)


@pytest.fixture(scope="module")
def photo(portrait_path: Path) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(portrait_path))[..., ::-1])


def test_a_face_that_shows_everything_has_no_cover(photo: np.ndarray, landmarks: np.ndarray):
    covers = find_covers(photo, landmarks)
    assert not covers.mouth and not covers.eyes


@pytest.mark.parametrize("colour", [(235, 235, 235), (165, 195, 215), (25, 25, 30)])
def test_a_mask_hides_the_mouth(photo: np.ndarray, landmarks: np.ndarray, colour: tuple[int, int, int]):
    masked = cv2.fillPoly(photo.copy(), [landmarks[list(MASK), :2].astype(np.int32)], colour)
    assert find_covers(masked, landmarks).mouth


def draw_lenses(
    photo: np.ndarray, landmarks: np.ndarray, size: tuple[float, float], colour: tuple[int, int, int], thickness: int
) -> None:
    """Draw an ellipse round each eye, half axes as shares of the distance between the outer corners; -1 fills it."""
    width = np.linalg.norm(landmarks[33, :2] - landmarks[263, :2])
    for eye in ((33, 133), (362, 263)):
        x, y = landmarks[list(eye), :2].mean(0).astype(int)
        cv2.ellipse(photo, (int(x), int(y)), tuple(int(axis * width) for axis in size), 0, 0, 360, colour, thickness)


def test_dark_lenses_hide_the_eyes(photo: np.ndarray, landmarks: np.ndarray):
    shaded = photo.copy()
    draw_lenses(shaded, landmarks, (0.28, 0.24), (18, 18, 22), -1)
    covers = find_covers(shaded, landmarks)
    assert covers.eyes and not covers.mouth


def test_a_cup_that_leaves_the_corners_of_the_mouth_hides_it(photo: np.ndarray, landmarks: np.ndarray):
    left, right, top, bottom = landmarks[[61, 291, 0, 17], :2]
    width = np.linalg.norm(right - left)
    x1, x2 = (left[0] + right[0]) / 2 - 0.4 * width, (left[0] + right[0]) / 2 + 0.4 * width
    held = photo.copy()
    cv2.rectangle(held, (int(x1), int(top[1] - 0.1 * width)), (int(x2), int(bottom[1] + width)), (190, 60, 40), -1)
    assert find_covers(held, landmarks).mouth


def test_clear_glasses_are_seen_and_hide_nothing(photo: np.ndarray, landmarks: np.ndarray):
    worn = photo.copy()
    draw_lenses(worn, landmarks, (0.29, 0.25), (30, 25, 20), 3)
    cv2.line(worn, *(tuple(int(v) for v in landmarks[i, :2]) for i in (193, 417)), (30, 25, 20), 3)
    covers = find_covers(worn, landmarks)
    assert covers.glasses and not covers.mouth and not covers.eyes
    assert not find_covers(photo, landmarks).glasses
