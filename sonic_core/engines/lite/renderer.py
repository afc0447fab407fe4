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
from threading import Lock
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sonic_core.engines.lite.eyes import make_eye
from sonic_core.engines.lite.head import HeadField, moving_box
from sonic_core.engines.lite.landmarks import (
    LEFT_IRIS,
    LEFT_LOWER_LID,
    LEFT_UPPER_LID,
    RIGHT_IRIS,
    RIGHT_LOWER_LID,
    RIGHT_UPPER_LID,
)
from sonic_core.engines.lite.layout import DRAWN_CHANNELS, GAZE, HEAD_ROTATION, HEAD_TRANSLATION, LIDS, MouthBasis
from sonic_core.engines.lite.lip_edges import LipEdges
from sonic_core.engines.lite.mouth import Mouth, MouthGeometry, without_mouth
from sonic_core.engines.lite.pose import fit_face
from sonic_core.engines.lite.texture import Texture
from sonic_core.engines.lite.warp import Grid, along, box_of, look_up, pixels_of
from sonic_core.face.covers import SMALLEST, SMALLEST_REDUCED, Covers, find_covers
from sonic_core.face.tracker import face_height

if TYPE_CHECKING:
    from sonic_core.face.framing import Portrait

CHUNK = 8  # frames in a chunk of `Renderer.chunks`
FINE, COARSE = 48, 24  # samples a face height of the whole movement and of the head's
BEYOND = 0.12  # face heights that the photo goes on past its edges
REACH = 0.25  # face heights that the head can carry the moving face
MARGIN = 0.03  # face heights round the lips that are drawn with them
BAND = 16  # rows of the fine grid that are drawn together: what they need fits into the processor's cache


@dataclass(frozen=True)
class FrameGeometry:
    """Where things are in one frame."""

    back: np.ndarray  # from the frame to the upright face, on the fine grid
    source: np.ndarray  # from the frame to the photo, on the fine grid
    mouth: MouthGeometry | None  # None where it is hidden


class Renderer:
    """Frames of one portrait. Everything that does not depend on the motion is computed here once."""

    def __init__(self, portrait: Portrait):
        cutout = portrait.cutout
        self.photo = np.ascontiguousarray(portrait.image if cutout is None else cutout.colours)
        landmarks = np.asarray(portrait.face.landmarks, np.float32)
        self.covers = _covers(portrait, landmarks)
        points = LipEdges.load().refine(self.photo, landmarks[:, :2])
        height, width = self.photo.shape[:2]
        basis = MouthBasis.load()
        self.fit = fit_face(landmarks, basis)
        self.face_height = face_height(points)
        box = moving_box(self.fit, width, height)
        self.grid = Grid.over(box, max(2, round(self.face_height / FINE)))
        head_grid = Grid.over(box, max(4, round(self.face_height / COARSE)))
        self.head = HeadField(self.fit, basis.rest, head_grid, width, height, self.face_height)
        self.points = self.grid.points()
        self.sideways, self.lowness = along(self.points, self.fit.across), along(self.points, self.fit.down)
        self.on_head = self.head.grid.place_of(self.points)
        self.mouth = None
        if not self.covers.mouth:
            self.mouth = Mouth(self.photo, points, self.fit, basis, self.face_height, self.covers.glasses)

        # The part of the photo that can move, without its mouth.
        right, bottom = min(self.grid.x + self.grid.width, width), min(self.grid.y + self.grid.height, height)
        self.view = np.s_[self.grid.y : bottom, self.grid.x : right]
        skin = self.photo
        if self.mouth is not None:
            skin = without_mouth(self.photo, points, self.fit, self.face_height)
        corner, beyond = (self.grid.x, self.grid.y), round(BEYOND * self.face_height)
        self.skin = Texture(skin[self.view], corner, beyond)
        self.alpha = None if cutout is None else cutout.alpha
        if self.alpha is not None:  # it moves with the skin
            self.edge = Texture(self.alpha[self.view], corner, beyond)
        self.at_rest = self.skin.own(self.grid.points(margin=1))
        self.bands = self._bands(bottom - self.grid.y, right - self.grid.x)
        # Behind dark glasses nobody sees lids close.
        eyes = [(LEFT_UPPER_LID, LEFT_LOWER_LID, LEFT_IRIS), (RIGHT_UPPER_LID, RIGHT_LOWER_LID, RIGHT_IRIS)]
        self.eyes = [] if self.covers.eyes else [
            make_eye(self.skin, self.photo, *(points[indices] for indices in eye)) for eye in eyes
        ]  # fmt: skip
        self._lock = Lock()  # eyes are drawn into the skin's texture, so frames are drawn one at a time

    def frame(self, motion: np.ndarray) -> np.ndarray:
        """(27 or 28,) motion, see layout.py -> uint8 (height, width, 3), or (height, width, 4) of a person cut out."""
        return next(self.chunks(motion[None]))[0]

    def chunks(self, motion: np.ndarray, size: int = CHUNK) -> Iterator[np.ndarray]:
        """(n, 27) motion -> uint8 (up to `size`, height, width, 3 or 4), see `frame`."""
        for start in range(0, len(motion), size):
            rows = motion[start : start + size]
            frames = np.empty((len(rows), *self.photo.shape[:2], 3 if self.alpha is None else 4), np.uint8)
            for row, frame in zip(rows, frames, strict=True):
                self._draw(row, frame)
            yield frames

    def moved(self, row: np.ndarray) -> FrameGeometry:
        """Where a row of motion moves things; nothing is drawn."""
        turn = self.head.displacement(row[HEAD_ROTATION], row[HEAD_TRANSLATION])
        back = look_up(self.head.grid.invert(turn), self.on_head)
        if self.mouth is None:  # what hides the mouth goes with the head
            return FrameGeometry(back, back, None)
        moved = self.mouth.moved(row, turn, self.head.grid)
        source, part = back.copy(), self._face_part(cv2.norm(turn, cv2.NORM_INF))
        upright = self.points[part] + back[part]
        source[part] += self.mouth.back(moved, self.sideways[part], self.lowness[part], upright)
        return FrameGeometry(back, source, moved)

    def _draw(self, motion: np.ndarray, frame: np.ndarray) -> None:
        """Draw a row of motion into a frame, uint8 (height, width, 3 or 4)."""
        row = np.zeros(DRAWN_CHANNELS, np.float32)
        row[: len(motion)] = motion
        moved = self.moved(row)
        colours = frame if self.alpha is None else np.empty_like(self.photo)
        colours[:] = self.photo
        alpha = None if self.alpha is None else self.alpha.copy()
        with self._lock:
            for eye, shut in zip(self.eyes, row[LIDS], strict=False):
                if eye is not None:
                    eye.draw(float(shut), np.clip(row[GAZE], -1.2, 1.2))
            for part, places in self._places(moved.source):
                self.skin.at(places, colours[self.view][part])
                if alpha is not None:
                    self.edge.at(places, alpha[self.view][part])
            if self.mouth is not None and moved.mouth is not None:
                self._draw_mouth(self.mouth, moved.mouth, colours[self.view], moved.back, row)
        if alpha is not None:
            cv2.mixChannels([colours, alpha], [frame], [0, 0, 1, 1, 2, 2, 3, 3])

    def _places(self, source: np.ndarray) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
        """Parts of the view that can move, and where in the skin's texture their pixels (h, w, 2) come from."""
        step = self.grid.step
        places = cv2.copyMakeBorder(source * np.float32(self.skin.density), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
        cv2.add(places, self.at_rest, places)
        for samples, (rows, columns) in self.bands:
            # One sample more on each side, as those at the edges are not interpolated.
            band = places[samples]
            pixels = cv2.resize(band, (band.shape[1] * step, band.shape[0] * step), interpolation=cv2.INTER_LINEAR)
            height, width = rows.stop - rows.start, columns.stop - columns.start
            yield (rows, columns), pixels[step : step + height, step : step + width]

    def _bands(self, height: int, width: int) -> list[tuple[tuple[slice, slice], tuple[slice, slice]]]:
        """What can move of a view of this size, in bands: samples of the grid, one more on each side, and pixels."""
        reached = look_up(self.head.weight.reshape(self.head.shape[:2]), self.on_head) > 0
        reached[self._face_part(REACH * self.face_height)] = True
        reached = cv2.dilate(reached.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        step, bands = self.grid.step, []
        for top in range(0, self.grid.rows, BAND):
            box = box_of(reached[top : top + BAND])
            if box is not None:
                y1, y2, x1, x2 = top + box[0].start, top + box[0].stop, box[1].start, box[1].stop
                pixels = np.s_[y1 * step : min(y2 * step, height), x1 * step : min(x2 * step, width)]
                bands.append((np.s_[y1 : y2 + 2, x1 : x2 + 2], pixels))
        return bands

    def _face_part(self, reach: float) -> tuple[slice, slice]:
        """The fine grid's samples that the movement of the face reaches while the head moves by `reach` px at most."""
        if self.mouth is None:
            return np.s_[:0, :0]
        face = self.mouth.expression.grid
        low = np.floor((np.array([face.x, face.y]) - reach - [self.grid.x, self.grid.y]) / self.grid.step)
        size = (np.array([face.width, face.height]) + 2 * reach) / self.grid.step
        left, top = np.maximum(low, 0).astype(int)
        right, bottom = np.maximum(np.ceil(low + size), 0).astype(int)
        return slice(top, bottom), slice(left, right)

    def _draw_mouth(
        self, mouth: Mouth, moved: MouthGeometry, view: np.ndarray, back: np.ndarray, row: np.ndarray
    ) -> None:
        """Draw the lips and what is between them into the view, uint8 (h, w, 3)."""
        corners, margin = np.concatenate([moved.lips.upper, moved.lips.lower]), MARGIN * self.face_height
        corner, size = [self.grid.x, self.grid.y], [view.shape[1], view.shape[0]]
        x1, y1 = np.clip(np.floor(corners.min(0) - margin) - corner, 0, size).astype(int)
        x2, y2 = np.clip(np.ceil(corners.max(0) + margin) - corner, 0, size).astype(int)
        if min(x2 - x1, y2 - y1) < 3:
            return
        pixels = pixels_of(x1 + self.grid.x, y1 + self.grid.y, x2 + self.grid.x, y2 + self.grid.y)
        upright = pixels + self.grid.to_pixels_within(back, x1, y1, x2, y2)
        mouth.draw(view[y1:y2, x1:x2], moved, self.skin, pixels, upright, row)


def _covers(portrait: Portrait, landmarks: np.ndarray) -> Covers:
    """What hides the face with (478, 3) landmarks; nothing where the photo or the portrait is too small to tell."""
    height, shown = portrait.image.shape[0], portrait.view.size[1] if portrait.view else portrait.image.shape[0]
    face = face_height(landmarks)
    if face < SMALLEST_REDUCED or face * shown / height < SMALLEST:
        return Covers(mouth=False, eyes=False)
    return find_covers(portrait.image, landmarks)
