"""Where a portrait's face lies in the canonical frame of the mouth basis, and what its mouth is doing there.

The pose comes from the points that speech does not move, so that a smile or an open mouth does not turn the head.
It knows landmarks only; pixels are refined elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonic_core.engines.lite.layout import MouthBasis
from sonic_core.engines.lite.warp import across
from sonic_core.face.points import CHIN, FOREHEAD


@dataclass(frozen=True)
class FaceFit:
    """The similarity that takes canonical points to pixels: `points @ axes + origin`, (n, 3) to (n, 3)."""

    axes: np.ndarray  # (3, 3) images of the canonical x, y and z units, in px
    origin: np.ndarray  # (3,) px

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        return points @ self.axes + self.origin

    @property
    def scale(self) -> float:
        """Pixels in one canonical unit."""
        return float(np.linalg.norm(self.axes[0]))

    @property
    def down(self) -> np.ndarray:
        """(2,) the face's downward direction in the picture, of length one."""
        return self.axes[1, :2] / np.linalg.norm(self.axes[1, :2])

    @property
    def across(self) -> np.ndarray:
        """(2,) the direction at a right angle to `down`, towards the viewer's right on an upright face."""
        return across(self.down)


def fit_face(landmarks: np.ndarray, basis: MouthBasis) -> FaceFit:
    """The similarity from `basis.rest` to (478, 3) landmarks in px, as large as the person's own face is high."""
    fit = fit_rigid(landmarks, basis)
    # The opening of the lips is measured against the person's own face height, not the average one.
    own, average = (np.linalg.norm(face[FOREHEAD] - face[CHIN]) for face in (landmarks, basis.rest))
    weight = still_weight(basis)
    middle = (basis.rest * weight).sum(0) / weight.sum()
    axes = fit.axes * np.clip(own / average / fit.scale, 0.85, 1.15)
    return FaceFit(axes.astype(np.float32), (fit.to_pixels(middle) - middle @ axes).astype(np.float32))


def fit_rigid(landmarks: np.ndarray, basis: MouthBasis) -> FaceFit:
    """The similarity from `basis.rest` to (478, 3) landmarks in px, over the points that speech leaves alone."""
    weight = still_weight(basis)
    source, target = basis.rest.astype(np.float64), landmarks.astype(np.float64)
    a = (source * weight).sum(0) / weight.sum()
    b = (target * weight).sum(0) / weight.sum()
    covariance = ((source - a) * weight).T @ (target - b)
    u, s, vt = np.linalg.svd(covariance)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    scale = (s * sign).sum() / (((source - a) ** 2) * weight).sum()
    axes = scale * rotation
    return FaceFit(axes.astype(np.float32), (b - a @ axes).astype(np.float32))


def still_weight(basis: MouthBasis) -> np.ndarray:
    """(478, 1) how far a landmark stays where it is in speech: 1 or nearly, to 0."""
    movement = np.sqrt((basis.components**2).sum((0, 2)))
    weight = np.exp(-((movement / 0.02) ** 2))[:, None]
    weight[468:] = 0  # irises look around
    return weight
