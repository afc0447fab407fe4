"""Similarity transforms of the plane: fit, invert and apply them, and cut an aligned crop out of a picture.

A similarity is a (2, 3) float matrix, as OpenCV takes it; every function but `fit` accepts reflections, too. Pixel
centres lie on whole numbers. Nothing here knows about faces.
"""

from __future__ import annotations

import cv2
import numpy as np


def fit(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The similarity that maps the points source (..., k, 2) onto target (..., k, 2) with the least squared error."""
    middle_s, middle_t = source.mean(-2), target.mean(-2)
    s, t = source - middle_s[..., None, :], target - middle_t[..., None, :]
    power = np.maximum((s**2).sum((-1, -2)), 1e-9)
    a = (s * t).sum((-1, -2)) / power
    b = (s[..., 0] * t[..., 1] - s[..., 1] * t[..., 0]).sum(-1) / power
    linear = np.stack([np.stack([a, -b], -1), np.stack([b, a], -1)], -2)
    shift = middle_t - (linear @ middle_s[..., None])[..., 0]
    return np.concatenate([linear, shift[..., None]], -1)


def scale_of(matrix: np.ndarray) -> np.ndarray:
    return np.hypot(matrix[..., 0, 0], matrix[..., 1, 0])


def invert(matrix: np.ndarray) -> np.ndarray:
    linear = np.linalg.inv(matrix[..., :2])
    return np.concatenate([linear, -linear @ matrix[..., 2:]], -1)


def unit_to_pixels(size: int) -> np.ndarray:
    """Crop units (-1 to 1 over the crop) to the pixels of a crop, (2, 3)."""
    return np.array([[size / 2, 0, (size - 1) / 2], [0, size / 2, (size - 1) / 2]])


def compose(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The similarity that applies `first`, then `second`."""
    linear = second[..., :2] @ first[..., :2]
    return np.concatenate([linear, second[..., :2] @ first[..., 2:] + second[..., 2:]], -1)


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Move points (..., k, 2 or 3); a third coordinate is scaled by the same factor."""
    moved = points[..., :2] @ np.swapaxes(matrix[..., :2], -1, -2) + matrix[..., None, :, 2]
    if points.shape[-1] == 2:
        return moved
    return np.concatenate([moved, points[..., 2:] * scale_of(matrix)[..., None, None]], -1)


def cut(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """The (size, size, 3) crop of image (h, w, 3) uint8 that `matrix` (image -> crop pixels) shows; edges are repeated.

    Pictures much finer than the crop are shrunk by areas first: sampling them sparsely would make landmarks flicker.
    """
    corners = apply(invert(matrix), np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float64))
    height, width = image.shape[:2]
    left, top = (max(int(v) - 2, 0) for v in np.floor(corners.min(0)))
    right, bottom = (int(v) + 3 for v in np.ceil(corners.max(0)))
    left, top = min(left, width - 1), min(top, height - 1)
    region = image[top : max(min(bottom, height), top + 1), left : max(min(right, width), left + 1)]
    matrix = compose(matrix, np.array([[1.0, 0, left], [0, 1.0, top]]))
    shrink = int(1 / max(float(scale_of(matrix)), 1e-6) / 1.5)
    if shrink > 1:
        small = (max(region.shape[1] // shrink, 1), max(region.shape[0] // shrink, 1))
        factors = np.array([region.shape[1] / small[0], region.shape[0] / small[1]])
        region = cv2.resize(region, small, interpolation=cv2.INTER_AREA)
        # pixel centres on whole numbers: small (0, 0) covers large (0 .. factor - 1)
        linear = matrix[:, :2] * factors
        matrix = np.concatenate([linear, matrix[:, 2:] + matrix[:, :2] @ ((factors - 1) / 2)[:, None]], 1)
    return cv2.warpAffine(region, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
