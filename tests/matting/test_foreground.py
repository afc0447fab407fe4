"""The person's colours without the old background in them."""

import cv2
import numpy as np

from sonic_core.matting.foreground import foreground


def test_the_old_background_goes_from_a_soft_edge() -> None:
    alpha = np.zeros((96, 96), np.float32)
    cv2.circle(alpha, (48, 48), 26, 1.0, -1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 4)
    person, behind = np.float32([120, 60, 20]), np.float32([40, 220, 250])
    photo = alpha[..., None] * person + (1 - alpha[..., None]) * behind
    found = foreground((photo + 0.5).astype(np.uint8), alpha)
    edge = (alpha > 0.1) & (alpha < 0.9)
    assert np.abs(photo[edge] - person).mean() > 70  # what a rim of the old background would be
    assert np.abs(found[edge] - person).mean() < 6


def test_the_person_themselves_stay_as_they_are() -> None:
    photo = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    assert np.array_equal(foreground(photo, np.ones((40, 40), np.float32)), photo)
