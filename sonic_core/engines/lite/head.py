"""How the head turns in the picture: a forward displacement for every place around the face.

The head is a smooth surface (the average face, falling back to the depth of the ears outside it) that turns about
the top of the neck. Its movement fades out over hair, neck and shoulders and is exactly zero further out. An edge of
the picture that shows background stays where it is; where an edge cuts the head, the head moves across it, a little
less than it would in a wider picture. No movement folds the picture: one that would is made smaller.
"""

from __future__ import annotations

import cv2
import numpy as np

from sonic_core.engines.lite.pose import FaceFit
from sonic_core.engines.lite.warp import Grid, ThinPlate, smoothstep

PIVOT = np.array([0.0, 1.5, 1.1], np.float32)  # canonical: the top of the neck, below and behind the mouth
EAR_DEPTH = 1.1
CAMERA_DISTANCE = 5.0  # face heights; it decides how much a step towards the viewer magnifies
# The head with its hair, as a canonical ellipse, and how far out (in its radii) it moves fully and not at all.
CENTRE, RADII = np.array([0.0, 0.55], np.float32), np.array([1.75, 2.15], np.float32)
FULL, STILL = 0.8, 1.75
# An edge of the picture nearer than the first radius cuts through the head; beyond the second it shows background.
CUT, BACKGROUND = 0.9, 1.25
HOLD = 0.2  # face heights from an edge over which the background comes to rest
CUT_SHARE = 0.5  # of its movement, which a head loses when its whole outline lies beyond the edges
MAX_DEGREES, MAX_SHIFT = 14.0, 0.12


def moving_box(fit: FaceFit, width: int, height: int) -> tuple[float, float, float, float]:
    """(x1, y1, x2, y2) the part of the picture that the head's movement can reach."""
    rim = _outline(fit, STILL)
    low, high = np.floor(rim.min(0)), np.ceil(rim.max(0))
    return max(low[0], 0), max(low[1], 0), min(high[0], width), min(high[1], height)


def _middle_and_axes(fit: FaceFit) -> tuple[np.ndarray, np.ndarray]:
    """(2,) px the middle of the head with its hair, and (2, 2) px its ellipse's radii across and down the face."""
    middle = fit.to_pixels(np.array([*CENTRE, EAR_DEPTH / 2], np.float32))[:2]
    return middle, fit.scale * RADII[:, None] * np.stack([fit.across, fit.down])


def _outline(fit: FaceFit, share: float) -> np.ndarray:
    """(64, 2) px along the head's ellipse made `share` times as large."""
    middle, axes = _middle_and_axes(fit)
    angle = np.linspace(0, 2 * np.pi, 64, dtype=np.float32)
    return middle + share * np.stack([np.cos(angle), np.sin(angle)], -1) @ axes


class HeadField:
    """The displacement of every sample of a grid for a given turn of the head."""

    def __init__(self, fit: FaceFit, rest: np.ndarray, grid: Grid, width: int, height: int, face_height: float):
        self.fit, self.grid, self.face_height = fit, grid, face_height
        points = grid.points()
        flat = points.reshape(-1, 2)
        chosen = np.arange(0, 468, 4)
        angle = np.linspace(0, 2 * np.pi, 24, endpoint=False, dtype=np.float32)
        ring = CENTRE + 1.5 * RADII * np.stack([np.cos(angle), np.sin(angle)], -1)
        ring = np.concatenate([ring, np.full((24, 1), EAR_DEPTH, np.float32)], 1)
        known = fit.to_pixels(np.concatenate([rest[chosen], ring]))
        plate = ThinPlate(known[:, :2], flat)
        depth = plate.through(known[:, 2:], np.ones(len(known), bool), 1e-3)
        self.solid = np.concatenate([flat, depth], 1) - fit.to_pixels(PIVOT)  # (q, 3) px about the pivot
        self.shape = points.shape

        # Distance from the middle of the head in ellipse radii, in the face's own directions.
        middle, axes = _middle_and_axes(fit)
        distance = np.linalg.norm((flat - middle) @ np.linalg.inv(axes), axis=1)
        x, y = flat.T
        edge = np.minimum(np.minimum(x, width - 1 - x), np.minimum(y, height - 1 - y))
        free = smoothstep(distance, BACKGROUND, CUT)
        held = free + (1 - free) * smoothstep(edge, 0, HOLD * face_height)
        outline = _outline(fit, 1)
        outside = ((outline < 0) | (outline > [width - 1, height - 1])).any(1).mean()
        self.share = np.float32(1 - CUT_SHARE * outside)
        self.weight = (smoothstep(distance, STILL, FULL) * held).astype(np.float32)[:, None]

    def displacement(self, rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
        """(rows, columns, 2) px for yaw, pitch, roll in degrees and a shift in face heights.

        Positive yaw turns the face to the viewer's right, positive pitch downwards, positive roll clockwise.
        """
        turn = _turn(self.share * np.clip(rotation, -MAX_DEGREES, MAX_DEGREES), self.fit)
        x, y, z = self.share * np.clip(translation, -MAX_SHIFT, MAX_SHIFT)
        nearer = 1 / (1 + z / CAMERA_DISTANCE)
        moved = np.einsum("qi,ij->qj", self.solid, turn[:, :2]) * np.float32(nearer) - self.solid[:, :2]
        moved += np.array([x, y], np.float32) * self.face_height
        field = np.ascontiguousarray((moved * self.weight).reshape(self.shape), np.float32)
        return field * np.float32(self.grid.fold_limit(field))


def _turn(rotation: np.ndarray, fit: FaceFit) -> np.ndarray:
    """(3, 3) for row vectors in picture axes: yaw, pitch and roll about the face's own axes."""
    axes = fit.axes / np.linalg.norm(fit.axes, axis=1, keepdims=True)
    yaw, pitch, roll = np.radians(rotation)
    turns = [cv2.Rodrigues(axis.astype(np.float64) * angle)[0] for axis, angle in
             ((axes[1], -yaw), (axes[0], pitch), (axes[2], roll))]  # fmt: skip
    return (turns[2] @ turns[0] @ turns[1]).T.astype(np.float32)
