"""Turns motion latents into frames by warping the photo itself, at its own resolution.

For every pixel of a frame it finds the place in the photo that moved there: back through the turn of the head, then
back through the movement of the face. Both are smooth fields on coarse grids, so the cost hardly grows with detail;
the photo is sampled once, so skin and hair stay as sharp as they are. What a photo cannot show is painted: the inside
of the mouth, and lids over an open eye. Pixels away from the head are never touched.

It knows one portrait and one row of motion at a time: any frame can be made without the ones before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sonic_core.engines.lite.expression import make_expression
from sonic_core.engines.lite.eyes import Eye, draw_eye, make_eye
from sonic_core.engines.lite.head import HeadField, moving_box
from sonic_core.engines.lite.interior import make_interior
from sonic_core.engines.lite.landmarks import (
    LEFT_IRIS,
    LEFT_LOWER_LID,
    LEFT_UPPER_LID,
    LOWER_INNER,
    RIGHT_IRIS,
    RIGHT_LOWER_LID,
    RIGHT_UPPER_LID,
    UPPER_INNER,
)
from sonic_core.engines.lite.layout import (
    DRAWN_CHANNELS,
    GAZE,
    HEAD_ROTATION,
    HEAD_TRANSLATION,
    LIDS,
    TEETH,
    TONGUE,
    MouthBasis,
)
from sonic_core.engines.lite.lip_edges import LipEdges
from sonic_core.engines.lite.lips import Lips
from sonic_core.engines.lite.pose import fit_face
from sonic_core.engines.lite.texture import Texture
from sonic_core.engines.lite.warp import Grid, look_up, smoothstep
from sonic_core.face.covers import find_covers
from sonic_core.face.points import CHIN, FOREHEAD

if TYPE_CHECKING:
    from sonic_core.face.framing import Portrait

CHUNK = 8  # frames in a chunk of `Renderer.chunks`
CREASE = 0.5  # how dark the line is between closed lips that were apart in the photo
TOUCH = 0.002  # face heights: lips nearer than this touch
FINE, COARSE = 64, 24  # samples a face height of the face's and of the head's movement
BEYOND = 0.12  # face heights that the photo goes on past its edges
REACH = 0.25  # face heights that the head can carry the moving face


@dataclass(frozen=True)
class FrameGeometry:
    """Where things are in one frame."""

    turn: np.ndarray  # head displacement on the head's grid, forwards
    back: np.ndarray  # the same, from the frame to the upright face, on the fine grid
    upper: np.ndarray  # from the upright face to the photo, on the expression's grid, above the lips
    lower: np.ndarray  # and below them
    source: np.ndarray  # from the frame to the photo, on the fine grid
    lips: Lips
    jaw: np.ndarray  # (2,) px movement of the chin


class Renderer:
    """Frames of one portrait. Everything that does not depend on the motion is computed here once."""

    def __init__(self, portrait: Portrait):
        cutout = portrait.cutout
        self.photo = np.ascontiguousarray(portrait.image if cutout is None else cutout.colours)
        landmarks = np.asarray(portrait.face.landmarks, np.float32)
        points = LipEdges.load().refine(self.photo, landmarks[:, :2])
        height, width = self.photo.shape[:2]
        basis = MouthBasis.load()
        self.fit = fit_face(landmarks, basis)
        self.face_height = float(np.linalg.norm(points[FOREHEAD] - points[CHIN]))
        box = moving_box(self.fit, width, height)
        self.grid = Grid.over(box, max(2, round(self.face_height / FINE)))
        self.head = HeadField(
            self.fit,
            basis.rest,
            Grid.over(box, max(4, round(self.face_height / COARSE))),
            width,
            height,
            self.face_height,
        )
        self.points = self.grid.points()
        self.expression = make_expression(self.fit, basis, points, self.face_height)
        self.interior = make_interior(self.fit, basis.rest, self.photo, points, self.face_height)
        gap = (points[LOWER_INNER] - points[UPPER_INNER]) @ self.fit.down
        # Lips that are apart in the photo have no line between them to show when they meet.
        self.crease = float(smoothstep(gap.max() / self.face_height, 0.008, 0.03))

        # The part of the photo that can move, without its mouth, and where its pixels lie in there.
        right, bottom = min(self.grid.x + self.grid.width, width), min(self.grid.y + self.grid.height, height)
        self.view = np.s_[self.grid.y : bottom, self.grid.x : right]
        self.covers = find_covers(self.photo, landmarks)
        skin = (self.photo if self.covers.mouth else self._without_mouth(points))[self.view]
        self.skin = Texture(skin, (self.grid.x, self.grid.y), round(BEYOND * self.face_height))
        self.alpha = None if cutout is None else cutout.alpha
        if self.alpha is not None:  # it moves with the skin
            self.edge = Texture(self.alpha[self.view], (self.grid.x, self.grid.y), round(BEYOND * self.face_height))
        self.pixels = self.grid.pixels()[: skin.shape[0], : skin.shape[1]]
        self.still = self.skin.own(self.pixels)
        self.on_head = self.head.grid.place_of(self.points)
        self.face_part = self._part_of_grid()
        # Behind dark glasses nobody sees lids close.
        self.eyes = (
            []
            if self.covers.eyes
            else [
                make_eye(self.photo, points[LEFT_UPPER_LID], points[LEFT_LOWER_LID], points[LEFT_IRIS]),
                make_eye(self.photo, points[RIGHT_UPPER_LID], points[RIGHT_LOWER_LID], points[RIGHT_IRIS]),
            ]
        )

    def frame(self, motion: np.ndarray) -> np.ndarray:
        """(27 or 28,) motion, see layout.py -> uint8 (height, width, 3), or (height, width, 4) of a person cut out."""
        row = np.zeros(DRAWN_CHANNELS, np.float32)
        row[: len(motion)] = motion
        moved = self.moved(row)
        frame = self.photo.copy()
        view = frame[self.view]
        step = self.grid.to_pixels(moved.source * np.float32(self.skin.density))
        places = cv2.add(self.still, step[: view.shape[0], : view.shape[1]])
        view[:] = self.skin.at(places)
        for eye, shut in zip(self.eyes, np.clip(row[LIDS], 0, 1), strict=False):
            if shut > 0.01 or np.abs(row[GAZE]).max() > 0.01:
                self._draw_eye(eye, view, moved, shut, np.clip(row[GAZE], -1.2, 1.2))
        if not self.covers.mouth:
            self._draw_mouth(view, moved, row)
        if self.alpha is None:
            return frame
        alpha = self.alpha.copy()
        alpha[self.view] = self.edge.at(places)
        whole = np.empty((*alpha.shape, 4), np.uint8)
        cv2.mixChannels([frame, alpha], [whole], [0, 0, 1, 1, 2, 2, 3, 3])
        return whole

    def chunks(self, motion: np.ndarray, size: int = CHUNK) -> Iterator[np.ndarray]:
        """(n, 27) motion -> uint8 (up to `size`, height, width, 3 or 4), see `frame`."""
        for start in range(0, len(motion), size):
            yield np.stack([self.frame(row) for row in motion[start : start + size]])

    def moved(self, row: np.ndarray) -> FrameGeometry:
        """Where a row of motion moves things; nothing is drawn."""
        head, face = self.head, self.expression
        turn = head.displacement(row[HEAD_ROTATION], row[HEAD_TRANSLATION])
        back = look_up(head.grid.invert(turn), self.on_head)
        upper, lower, jaw = face.fields(row)
        if self.covers.mouth:  # what hides the mouth goes with the head
            upper, lower, jaw = (np.zeros_like(values) for values in (upper, lower, jaw))
        lips = Lips(
            self._carried(face.upper_contour, upper, turn),
            self._carried(face.lower_contour, lower, turn),
            self.fit.down,
            TOUCH * self.face_height,
        )
        upper, lower = face.grid.invert(upper), face.grid.invert(lower)
        source, part = back.copy(), self.face_part
        points = self.points[part]
        on_face = face.grid.place_of(points + back[part])
        below = look_up(lower, on_face)
        source[part] += below + lips.is_above(points)[..., None] * (look_up(upper, on_face) - below)
        return FrameGeometry(turn, back, upper, lower, source, lips, jaw)

    def _part_of_grid(self) -> tuple[slice, slice]:
        """The fine grid's samples that the movement of the face can reach."""
        face, reach = self.expression.grid, REACH * self.face_height
        low = np.floor((np.array([face.x, face.y]) - reach - [self.grid.x, self.grid.y]) / self.grid.step)
        size = (np.array([face.width, face.height]) + 2 * reach) / self.grid.step
        left, top = np.maximum(low, 0).astype(int)
        right, bottom = np.maximum(np.ceil(low + size), 0).astype(int)
        return slice(top, bottom), slice(left, right)

    def _carried(self, contour: np.ndarray, field: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """(m, 2) points of the photo -> where they are in the frame."""
        moved = contour[None] + self.expression.grid.sample(field, contour[None])
        return (moved + self.head.grid.sample(turn, moved))[0]

    def _without_mouth(self, points: np.ndarray) -> np.ndarray:
        """The photo with its lips drawn on over an open mouth, so that no tooth is warped along with a lip."""
        upper, lower = points[UPPER_INNER], points[LOWER_INNER]
        gap = (lower - upper) @ self.fit.down
        if gap.max() < 0.012 * self.face_height:
            return self.photo
        outline = np.concatenate([upper, lower[::-1]])
        margin = max(1, round(0.011 * self.face_height))
        limit = self.photo.shape[1::-1]
        x1, y1 = np.clip(outline.min(0) - 4 * margin - 4, 0, limit).astype(int)
        x2, y2 = np.clip(outline.max(0) + 4 * margin + 4, 0, limit).astype(int)
        if min(x2 - x1, y2 - y1) < 3:
            return self.photo
        mask = np.zeros((y2 - y1, x2 - x1), np.uint8)
        cv2.fillPoly(mask, [np.round((outline - [x1, y1]) * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
        skin = self.photo.copy()
        skin[y1:y2, x1:x2] = cv2.inpaint(skin[y1:y2, x1:x2], cv2.dilate(mask, kernel), 3, cv2.INPAINT_TELEA)
        return skin

    def _within(self, field: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
        """Pixels of the view's box (x1, y1, x2, y2) moved by a field on the fine grid."""
        x1, y1, x2, y2 = box
        return self.pixels[y1:y2, x1:x2] + self.grid.to_pixels_within(field, x1, y1, x2, y2)

    def _draw_eye(self, eye: Eye, view: np.ndarray, moved: FrameGeometry, shut: float, glance: np.ndarray) -> None:
        corners = eye.box().astype(np.float32)
        corners += self.head.grid.sample(moved.turn, corners[None])[0]
        box = self._inside(corners, view, 2)
        x1, y1, x2, y2 = box
        if x2 - x1 > 2 and y2 - y1 > 2:
            part = view[y1:y2, x1:x2]
            part[:] = draw_eye(eye, self.skin, part, self._within(moved.source, box), shut, glance)

    def _inside(self, corners: np.ndarray, view: np.ndarray, margin: float) -> tuple[int, int, int, int]:
        """(x1, y1, x2, y2) of the part of `view` that holds the given picture points."""
        corner, size = [self.grid.x, self.grid.y], [view.shape[1], view.shape[0]]
        x1, y1 = np.clip(np.floor(corners.min(0) - margin) - corner, 0, size).astype(int)
        x2, y2 = np.clip(np.ceil(corners.max(0) + margin) - corner, 0, size).astype(int)
        return int(x1), int(y1), int(x2), int(y2)

    def _draw_mouth(self, view: np.ndarray, moved: FrameGeometry, row: np.ndarray) -> None:
        lips = moved.lips
        box = self._inside(np.concatenate([lips.upper, lips.lower]), view, 0.03 * self.face_height)
        x1, y1, x2, y2 = box
        if x2 - x1 < 3 or y2 - y1 < 3:
            return
        pixels = self.pixels[y1:y2, x1:x2]
        upright = self._within(moved.back, box)
        on_face = self.expression.grid.place_of(upright)
        above, below, gap, between = lips.distances(pixels)
        is_above = lips.is_above(pixels)[..., None]
        skin = self.skin.look_up(upright + look_up(moved.lower, on_face)) * (1 - is_above)
        skin += self.skin.look_up(upright + look_up(moved.upper, on_face)) * is_above
        if self.crease > 0:
            line = np.exp(-(((above - below) / (0.012 * self.face_height)) ** 2)) * between
            skin *= (1 - CREASE * self.crease * line)[..., None]
        opening = (np.clip(above + 0.5, 0, 1) * np.clip(below + 0.5, 0, 1) * np.clip(gap, 0, 1))[..., None]
        if opening.any():
            inside = self.interior.draw(upright, moved.jaw, pixels, lips, teeth=row[TEETH], tongue=row[TONGUE])
            skin = skin * (1 - opening) + inside * opening
        view[y1:y2, x1:x2] = np.clip(skin + 0.5, 0, 255).astype(np.uint8)
