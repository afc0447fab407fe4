"""Turns motion latents into frames by warping the photo itself, at its own resolution.

For every pixel of a frame it finds the place in the photo that moved there: back through the turn of the head, then
back through the movement of the face. Both are smooth fields on a coarse grid, so the cost hardly grows with detail;
the photo is sampled once, so skin and hair stay as sharp as they are. What a photo cannot show is painted: the inside
of the mouth, and lids over an open eye. Pixels away from the head are never touched.

It knows one portrait and one row of motion at a time: any frame can be made without the ones before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sonic_core.engines.lite.expression import make_expression
from sonic_core.engines.lite.eyes import Eye, draw_eye, make_eye
from sonic_core.engines.lite.head import HeadField, moving_box
from sonic_core.engines.lite.interior import make_interior
from sonic_core.engines.lite.landmarks import (
    CHIN,
    FOREHEAD,
    LEFT_IRIS,
    LEFT_LOWER_LID,
    LEFT_UPPER_LID,
    LOWER_INNER,
    RIGHT_IRIS,
    RIGHT_LOWER_LID,
    RIGHT_UPPER_LID,
    UPPER_INNER,
)
from sonic_core.engines.lite.layout import GAZE, HEAD_ROTATION, HEAD_TRANSLATION, LIDS, MouthBasis
from sonic_core.engines.lite.lip_edges import LipEdges
from sonic_core.engines.lite.pose import fit_face
from sonic_core.engines.lite.warp import Grid, look_up, smoothstep

if TYPE_CHECKING:
    from sonic_core.face.framing import Portrait

CHUNK = 8  # frames in a chunk of `Renderer.chunks`
CREASE = 0.5  # how dark the line is between closed lips that were apart in the photo
TOUCH = 0.002  # face heights: lips nearer than this touch


class Renderer:
    """Frames of one portrait. Everything that does not depend on the motion is computed here once."""

    def __init__(self, portrait: Portrait):
        self.photo = np.ascontiguousarray(portrait.image)
        landmarks = np.asarray(portrait.face.landmarks, np.float32)
        points = LipEdges.load().refine(self.photo, landmarks[:, :2])
        height, width = self.photo.shape[:2]
        basis = MouthBasis.load()
        self.fit = fit_face(landmarks, basis)
        self.face_height = float(np.linalg.norm(points[FOREHEAD] - points[CHIN]))
        step = max(2, round(self.face_height / 64))
        self.grid = Grid.over(moving_box(self.fit, width, height), step)
        self.points, self.pixels = self.grid.points(), self.grid.pixels()
        self.head = HeadField(self.fit, basis.rest, self.grid, width, height, self.face_height)
        self.expression = make_expression(self.fit, basis, points, self.face_height)
        self.interior = make_interior(self.fit, basis.rest, self.photo, points, self.face_height)
        gap = (points[LOWER_INNER] - points[UPPER_INNER]) @ self.fit.down
        # Lips that are apart in the photo have no line between them to show when they meet.
        self.crease = float(smoothstep(gap.max() / self.face_height, 0.008, 0.03))
        self.skin = self._without_mouth(points)
        self.eyes = [
            make_eye(self.photo, points[LEFT_UPPER_LID], points[LEFT_LOWER_LID], points[LEFT_IRIS]),
            make_eye(self.photo, points[RIGHT_UPPER_LID], points[RIGHT_LOWER_LID], points[RIGHT_IRIS]),
        ]

    def frame(self, row: np.ndarray) -> np.ndarray:
        """(24,) motion, see layout.py -> uint8 (height, width, 3)."""
        row = np.asarray(row, np.float32)
        turn = self.head.displacement(row[HEAD_ROTATION], row[HEAD_TRANSLATION])
        upright = self.grid.invert(turn, self.points, 4)
        face, weights = self.expression, self.expression.weights(row)
        upper, lower = face.field(face.upper, weights), face.field(face.lower, weights)
        from_upper, from_lower = face.grid.invert(upper, upright), face.grid.invert(lower, upright)
        upper_edge = self._carried(face.upper_contour, upper, turn)
        lower_edge = self._carried(face.lower_contour, lower, turn)
        lips = Lips(upper_edge, lower_edge, self.fit.down, TOUCH * self.face_height)
        above = lips.is_above(self.points)[..., None]
        source = self.pixels + self.grid.to_pixels(from_lower + above * (from_upper - from_lower) - self.points)

        frame = self.photo.copy()
        x, y = self.grid.x, self.grid.y
        view = frame[y : y + self.grid.height, x : x + self.grid.width]
        source = source[: view.shape[0], : view.shape[1]]
        view[:] = look_up(self.skin, source, cubic=True)
        for eye, shut in zip(self.eyes, np.clip(row[LIDS], 0, 1), strict=True):
            if shut > 0.01 or np.abs(row[GAZE]).max() > 0.01:
                self._draw_eye(eye, view, source, turn, shut, np.clip(row[GAZE], -1.2, 1.2))
        self._draw_mouth(lips, view, upright, from_upper, from_lower, weights @ face.jaw)
        return frame

    def chunks(self, motion: np.ndarray, size: int = CHUNK) -> Iterator[np.ndarray]:
        """(n, 24) motion -> float32 (up to `size`, height, width, 3) in [0, 1]."""
        for start in range(0, len(motion), size):
            frames = np.stack([self.frame(row) for row in motion[start : start + size]])
            yield frames.astype(np.float32) / np.float32(255)

    def _carried(self, contour: np.ndarray, field: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """(m, 2) points of the photo -> where they are in the frame."""
        moved = contour[None] + self.expression.grid.sample(field, contour[None])
        return (moved + self.grid.sample(turn, moved))[0]

    def _without_mouth(self, points: np.ndarray) -> np.ndarray:
        """The photo with its lips drawn on over an open mouth, so that no tooth is warped along with a lip."""
        upper, lower = points[UPPER_INNER], points[LOWER_INNER]
        gap = (lower - upper) @ self.fit.down
        if gap.max() < 0.012 * self.face_height:
            return self.photo
        mask = np.zeros(self.photo.shape[:2], np.uint8)
        outline = np.concatenate([upper, lower[::-1]])
        cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
        margin = max(1, round(0.011 * self.face_height))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
        return cv2.inpaint(self.photo, cv2.dilate(mask, kernel), 3, cv2.INPAINT_TELEA)

    def _draw_eye(
        self, eye: Eye, view: np.ndarray, source: np.ndarray, turn: np.ndarray, shut: float, glance: np.ndarray
    ) -> None:
        corners = eye.box().astype(np.float32)
        corners += self.grid.sample(turn, corners[None])[0]
        (x1, y1), (x2, y2) = self._inside(corners, view, 2)
        if x2 - x1 > 2 and y2 - y1 > 2:
            view[y1:y2, x1:x2] = draw_eye(eye, self.skin, source[y1:y2, x1:x2], shut, glance)

    def _inside(self, corners: np.ndarray, view: np.ndarray, margin: float) -> np.ndarray:
        """(2, 2) corners (x, y) of the rectangle of `view` that holds the given picture points."""
        low = np.floor(corners.min(0) - margin) - [self.grid.x, self.grid.y]
        high = np.ceil(corners.max(0) + margin) - [self.grid.x, self.grid.y]
        return np.clip([low, high], 0, [view.shape[1], view.shape[0]]).astype(int)

    def _draw_mouth(
        self,
        lips: Lips,
        view: np.ndarray,
        upright: np.ndarray,
        from_upper: np.ndarray,
        from_lower: np.ndarray,
        jaw: np.ndarray,
    ) -> None:
        corners = np.concatenate([lips.upper, lips.lower])
        (x1, y1), (x2, y2) = self._inside(corners, view, 0.03 * self.face_height)
        if x2 - x1 < 3 or y2 - y1 < 3:
            return
        pixels = self.pixels[y1:y2, x1:x2]
        upright, from_upper, from_lower = (
            pixels + self.grid.to_pixels_within(places - self.points, x1, y1, x2, y2)
            for places in (upright, from_upper, from_lower)
        )
        above, below, gap, between = lips.distances(pixels)
        is_above = lips.is_above(pixels)[..., None]
        skin = look_up(self.skin, from_lower, cubic=True) * (1 - is_above)
        skin += look_up(self.skin, from_upper, cubic=True) * is_above
        if self.crease > 0:
            line = np.exp(-(((above - below) / (0.012 * self.face_height)) ** 2)) * between
            skin *= (1 - CREASE * self.crease * line)[..., None]
        opening = (np.clip(above + 0.5, 0, 1) * np.clip(below + 0.5, 0, 1) * np.clip(gap, 0, 1))[..., None]
        if opening.any():
            inside = self.interior.draw(upright, jaw, above, below, gap)
            skin = skin * (1 - opening) + inside * opening
        view[y1:y2, x1:x2] = np.clip(skin + 0.5, 0, 255).astype(np.uint8)


class Lips:
    """The edges of both lips in one frame: what lies above, between and below them."""

    def __init__(self, upper: np.ndarray, lower: np.ndarray, down: np.ndarray, touch: float):
        self.upper, self.lower = upper, lower  # (m, 2) px in the frame, left to right
        self.down, self.across = down, np.array([down[1], -down[0]], np.float32)
        # Edges as heights over the line across the mouth, at common places along it.
        along = [contour @ self.across for contour in (upper, lower)]
        self.left, self.right = min(a[0] for a in along), max(a[-1] for a in along)
        self.places = np.linspace(self.left, self.right, 64)
        heights = [
            np.interp(self.places, np.maximum.accumulate(a), contour @ down)
            for a, contour in zip(along, (upper, lower), strict=True)
        ]
        self.upper_height, self.lower_height = heights[0], np.maximum(*heights)
        self.gap = np.maximum(self.lower_height - self.upper_height - touch, 0)

    def is_above(self, pixels: np.ndarray) -> np.ndarray:
        """(h, w) 1 above the line between the lips, 0 below: sharp between the corners, ever softer beyond them."""
        along, height = pixels @ self.across, pixels @ self.down
        middle = np.interp(along, self.places, (self.upper_height + self.lower_height) / 2)
        beyond = np.maximum(np.maximum(self.left - along, along - self.right), 0)
        return smoothstep(middle - height, -0.5 - beyond, 0.5 + beyond).astype(np.float32)

    def distances(self, pixels: np.ndarray) -> tuple[np.ndarray, ...]:
        """Each (h, w): px below the upper lip's edge, px above the lower one's, the opening there, and a weight that
        is 1 between the corners and 0 beyond them."""
        along, height = pixels @ self.across, pixels @ self.down
        above = height - np.interp(along, self.places, self.upper_height)
        below = np.interp(along, self.places, self.lower_height) - height
        gap = np.interp(along, self.places, self.gap, left=0, right=0)
        inside = np.minimum(along - self.left, self.right - along) / (self.right - self.left)
        between = smoothstep(inside, 0.0, 0.15)
        return tuple(value.astype(np.float32) for value in (above, below, gap, between))
