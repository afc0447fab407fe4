"""How soft and how grainy a picture is, so that what is painted into it looks shot with the same camera."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.special import erf

SOFTNESS = np.linspace(0.0, 4.0, 81)  # px, standard deviation of the blur of an edge
FAR = 4  # px between the two ends of an edge
SMALLEST = 16  # px; with shorter sides nothing can be measured


def softness(picture: np.ndarray) -> float:
    """The blur of the sharpest edges of a picture (h, w, 3), as the standard deviation of a Gaussian in px.

    An edge blurred that far rises over one pixel, compared with four, as the error function says.
    """
    if min(picture.shape[:2]) < SMALLEST:
        return 0.0
    grey = picture.astype(np.float32).mean(-1)
    rises = [
        np.quantile(np.concatenate([np.abs(grey[:, step:] - grey[:, :-step]).ravel(),
                                    np.abs(grey[step:] - grey[:-step]).ravel()]), 0.99)
        for step in (1, FAR)
    ]  # fmt: skip
    seen = float(rises[0] / max(rises[1], 1e-6))
    sigma = np.maximum(SOFTNESS, 1e-3) * np.sqrt(2)
    expected = erf(0.5 / sigma) / erf(FAR / 2 / sigma)
    return float(np.interp(-seen, -expected, SOFTNESS))


def grain(picture: np.ndarray) -> float:
    """Standard deviation of the noise of a picture (h, w, 3), in its own units (Immerkaer 1996, by the median)."""
    if min(picture.shape[:2]) < SMALLEST:
        return 0.0
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    response = cv2.filter2D(picture.astype(np.float32).mean(-1), -1, kernel)[1:-1, 1:-1]
    return float(np.median(np.abs(response)) / 0.6745 / 6)


def like_the_picture(layer: np.ndarray, blur: float, noise: float, seed: int) -> np.ndarray:
    """A painted layer (h, w, 3), as soft and as grainy as a picture with that blur and noise."""
    if blur > 0.4:  # less is not seen
        layer = cv2.GaussianBlur(layer, (0, 0), blur)
    if noise > 0:
        layer = layer + np.random.default_rng(seed).normal(0, noise, (*layer.shape[:2], 1)).astype(np.float32)
    return layer


def sharpness(crop: np.ndarray) -> float:
    """How much of a face's contrast lies in its finest detail; `crop` is its `covers.upright_crop`.

    To compare with other frames of the same person: it depends on the camera and the beard.
    """
    grey = crop.astype(np.float32).mean(-1)
    fine = cv2.Laplacian(grey, cv2.CV_32F)
    return float(fine.std() / max(grey.std(), 1.0))
