"""Alpha solved from colours: on pictures that were mixed with an alpha that is known."""

import cv2
import numpy as np

from sonic_core.matting.closed_form import solve_alpha

SIDE = 48


def mixed(alpha: np.ndarray) -> np.ndarray:
    """A blue thing over a light background that grows darker to one side, float32 (h, w, 3)."""
    shade = np.linspace(0.75, 0.95, SIDE, dtype=np.float32)[None, :, None] * np.ones((SIDE, 1, 3), np.float32)
    return alpha[..., None] * np.float32([0.1, 0.2, 0.6]) + (1 - alpha[..., None]) * shade


def test_a_soft_edge_is_found_between_what_is_known() -> None:
    truth = np.clip(np.linspace(2.2, -1.2, SIDE, dtype=np.float32), 0, 1)[:, None] * np.ones((1, SIDE), np.float32)
    unknown = np.zeros((SIDE, SIDE), bool)
    unknown[10:38] = True
    guess = np.where(unknown, 0.5, truth).astype(np.float32)
    found = solve_alpha(mixed(truth), guess, unknown, np.full_like(truth, 1e-4))
    assert np.abs(found - truth).mean() < 0.01 and np.abs(found - truth).max() < 0.15
    assert np.array_equal(found[~unknown], truth[~unknown])


def test_a_hair_in_the_unknown_part_shows() -> None:
    truth = np.zeros((SIDE, SIDE), np.float32)
    truth[30:] = 1
    cv2.line(truth, (24, 31), (24, 12), 1.0, 1)
    unknown = np.zeros((SIDE, SIDE), bool)
    unknown[8:34] = True
    found = solve_alpha(mixed(truth), np.where(unknown, 0, truth), unknown, np.full_like(truth, 1e-3))
    assert found[14:29, 24].min() > 0.7
    assert found[14:29, [18, 21, 27, 30]].max() < 0.2


def test_nothing_unknown_is_left_alone() -> None:
    alpha = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    assert solve_alpha(mixed(alpha), alpha, np.zeros((SIDE, SIDE), bool), alpha) is alpha
