from __future__ import annotations

import cv2
import numpy as np
import pytest

from sonic_core.video.optical_flow import FlowEstimator, disagreement, warp


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).random((height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


def shifted(image: np.ndarray, x: float, y: float) -> np.ndarray:
    """What image[p] shows is at p + (x, y) in the result."""
    return warp(image, np.full((*image.shape[:2], 2), (-x, -y), np.float32), cv2.INTER_CUBIC)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("size", [(120, 160), (400, 480)])
@pytest.mark.parametrize("shift", [(2.5, 0.0), (-1.25, 3.0), (0.0, 0.0)])
def test_finds_a_known_shift(size: tuple[int, int], shift: tuple[float, float], exact: bool) -> None:
    first = texture(*size)
    estimator = FlowEstimator(*size, exact)
    flow = estimator.between(estimator.prepare(first), estimator.prepare(shifted(first, *shift)))
    full = estimator.enlarge(flow)
    assert full.shape == (*size, 2)
    middle = full[20:-20, 20:-20].reshape(-1, 2)
    assert np.abs(np.median(middle, 0) - shift).max() < 0.15


def test_warping_along_the_flow_brings_the_second_frame_back() -> None:
    first = texture(120, 160)
    second = shifted(first, 3, -2)
    flow = np.full((120, 160, 2), (3, -2), np.float32)
    assert np.abs(warp(second, flow, cv2.INTER_CUBIC) - first)[8:-8, 8:-8].max() < 0.02


def test_disagreement_is_nothing_for_flows_that_undo_one_another() -> None:
    forward = np.full((32, 32, 2), (2, 1), np.float32)
    assert disagreement(forward, -forward).max() < 1e-5
    assert disagreement(forward, forward).min() > 4
