"""Alpha where it is not known, from the colours around it (Levin, Lischinski, Weiss 2008, "A Closed-Form Solution to
Natural Image Matting").

In a small window alpha is nearly a linear function of colour: a hair is as opaque as it is dark against the sky. The
sparse system that follows is set up for the unknown pixels only and solved by conjugate gradients.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import cg

EPSILON = 1e-5  # how much noise a window may have; colours are in [0, 1]
TOLERANCE, ITERATIONS = 1e-4, 400


def solve_alpha(image: np.ndarray, alpha: np.ndarray, unknown: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """Alpha (h, w) float32: as given where known, solved where `unknown`.

    `image`: float32 (h, w, 3) in [0, 1]; `alpha`: float32 (h, w), in the unknown part a guess, whose weight against the
    colours is `trust` (h, w).
    """
    if not unknown.any():
        return alpha
    laplacian = matting_laplacian(image, unknown)
    pixels = np.flatnonzero(unknown)
    known = np.where(unknown, 0, alpha).ravel().astype(np.float64)
    rows = laplacian[pixels]
    weight = trust.ravel()[pixels].astype(np.float64)
    guess = alpha.ravel()[pixels].astype(np.float64)
    system = rows[:, pixels] + diags(weight)
    right = weight * guess - rows @ known
    scale = diags(1 / np.maximum(system.diagonal(), 1e-9))
    found, _ = cg(system, right, x0=guess, rtol=TOLERANCE, maxiter=ITERATIONS, M=scale)
    out = alpha.copy()
    out.ravel()[pixels] = found.clip(0, 1)
    return out


def matting_laplacian(image: np.ndarray, unknown: np.ndarray) -> csr_matrix:
    """The (h w, h w) matrix whose quadratic form is how badly alpha fits a linear function of colour, summed over all
    3 x 3 windows that touch an unknown pixel."""
    height, width = unknown.shape
    touched = cv2.dilate(unknown.astype(np.uint8), np.ones((3, 3), np.uint8))
    touched[[0, -1]] = 0
    touched[:, [0, -1]] = 0  # windows lie in the picture
    middles = np.flatnonzero(touched)
    around = (np.arange(-1, 2)[:, None] * width + np.arange(-1, 2)).ravel()
    windows = middles[:, None] + around  # (m, 9) pixels of each window
    colours = image.reshape(-1, 3)[windows].astype(np.float64)
    offsets = colours - colours.mean(1, keepdims=True)
    covariance = np.einsum("mki,mkj->mij", offsets, offsets) / 9 + EPSILON / 9 * np.eye(3)
    affinity = (1 + np.einsum("mki,mij,mlj->mkl", offsets, np.linalg.inv(covariance), offsets, optimize=True)) / 9
    values = np.eye(9) - affinity
    rows, columns = np.repeat(windows, 9, 1).ravel(), np.tile(windows, 9).ravel()
    size = height * width
    return csr_matrix((values.ravel(), (rows, columns)), (size, size))
