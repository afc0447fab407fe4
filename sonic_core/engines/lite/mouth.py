"""The moving part of a face, from the brows to the chin: what moves it, and how its mouth is drawn into a frame.

`expression.py` says how far a row of motion moves what lies above and below the line between the lips. Both are turned
round here, from the upright face of a frame to the photo, and near the lips each side of the line is read from the
photo by its own. What shows between the lips is painted by `interior.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sonic_core.engines.lite.expression import make_expression
from sonic_core.engines.lite.interior import make_interior
from sonic_core.engines.lite.landmarks import LOWER_INNER, UPPER_INNER
from sonic_core.engines.lite.layout import TEETH, TONGUE, MouthBasis
from sonic_core.engines.lite.lips import Lips
from sonic_core.engines.lite.pose import FaceFit
from sonic_core.engines.lite.texture import Texture
from sonic_core.engines.lite.warp import Grid, box_of, filled_polygon, smoothstep

TOUCH = 0.002  # face heights: lips nearer than this touch
OPEN = 0.012  # face heights: a mouth this far open in the photo shows its inside


@dataclass(frozen=True)
class MouthGeometry:
    """Where the moving part of a face is in one frame."""

    upper: np.ndarray  # from the upright face to the photo above the lips, on the grid of the expression's upper layer
    lower: np.ndarray  # and below them, on that of the lower one
    lips: Lips
    jaw: np.ndarray  # (2,) px movement of the chin


class Mouth:
    """Everything about a portrait's mouth that does not depend on the motion."""

    def __init__(
        self, photo: np.ndarray, points: np.ndarray, fit: FaceFit, basis: MouthBasis, face_height: float, glasses: bool
    ):
        """From the photo, uint8 RGB, and its (478, 2) landmarks in px."""
        self.fit, self.face_height = fit, face_height
        self.expression = make_expression(fit, basis, points, face_height, glasses)
        self.interior = make_interior(fit, basis.rest, photo, points, face_height)
        gap = (points[LOWER_INNER] - points[UPPER_INNER]) @ fit.down
        # Lips that are apart in the photo have no line between them to show when they meet.
        self.crease = float(smoothstep(gap.max() / face_height, 0.008, 0.03))

    def moved(self, row: np.ndarray, turn: np.ndarray, turned: Grid) -> MouthGeometry:
        """Where a row of motion moves things; `turn` is the head's displacement on the grid `turned`."""
        face = self.expression
        upper, lower, jaw = face.fields(row)

        def carried(contour: np.ndarray, grid: Grid, field: np.ndarray) -> np.ndarray:
            """(m, 2) points of the photo -> where they are in the frame."""
            moved = contour[None] + grid.sample(field, contour[None])
            return (moved + turned.sample(turn, moved))[0]

        above, below = face.upper.grid, face.lower.grid
        edges = carried(face.upper_contour, above, upper), carried(face.lower_contour, below, lower)
        lips = Lips(*edges, self.fit.down, TOUCH * self.face_height)
        return MouthGeometry(above.invert(upper), below.invert(lower), lips, jaw)

    def back(self, moved: MouthGeometry, sideways: np.ndarray, height: np.ndarray, upright: np.ndarray) -> np.ndarray:
        """(h, w, 2) px from the upright face to the photo at places of the frame that show (h, w, 2) `upright` px.

        The places lie `sideways` and `height` (h, w) px along the face's directions.
        """
        above, below = self._both(moved, upright)
        is_above = moved.lips.is_above(sideways, height)
        return cv2.blendLinear(above, below, is_above, 1 - is_above)

    def _both(self, moved: MouthGeometry, upright: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each (h, w, 2) px from `upright` places to the photo, by the layer above the lips and by the one below."""
        face = self.expression
        return face.upper.grid.sample(moved.upper, upright), face.lower.grid.sample(moved.lower, upright)

    def draw(
        self,
        part: np.ndarray,
        moved: MouthGeometry,
        skin: Texture,
        pixels: np.ndarray,
        upright: np.ndarray,
        row: np.ndarray,
    ) -> None:
        """Draw lips and what is between them into part of a frame, uint8 (h, w, 3).

        It shows the (h, w, 2) px `pixels` of the frame, which are `upright` on the face before its head turned.
        """
        lips = moved.lips
        around = lips.distances(pixels)
        # Colours are mixed, not places: what lies between two places of parted lips is the dark of the mouth.
        above, below = (skin.look_up(upright + field) for field in self._both(moved, upright))
        seen = cv2.blendLinear(above, below, around.is_above, 1 - around.is_above)
        if self.crease > 0:
            seen = cv2.multiply(seen, around.line(self.face_height, self.crease), dtype=cv2.CV_8U)
        part[:] = seen
        opening = around.opening(self.face_height)
        box = box_of(opening > 0)
        if box is not None:
            inside = self.interior.draw(
                upright[box], moved.jaw, lips, around.within(box), teeth=row[TEETH], tongue=row[TONGUE]
            )
            share = np.ascontiguousarray(opening[box])
            part[box] = cv2.blendLinear(cv2.convertScaleAbs(inside), np.ascontiguousarray(part[box]), share, 1 - share)


def without_mouth(photo: np.ndarray, points: np.ndarray, fit: FaceFit, face_height: float) -> np.ndarray:
    """The photo with its lips drawn on over an open mouth, so that no tooth is warped along with a lip."""
    upper, lower = points[UPPER_INNER], points[LOWER_INNER]
    if ((lower - upper) @ fit.down).max() < OPEN * face_height:
        return photo
    outline = np.concatenate([upper, lower[::-1]])
    margin = max(1, round(0.011 * face_height))
    limit = photo.shape[1::-1]
    x1, y1 = np.clip(outline.min(0) - 4 * margin - 4, 0, limit).astype(int)
    x2, y2 = np.clip(outline.max(0) + 4 * margin + 4, 0, limit).astype(int)
    if min(x2 - x1, y2 - y1) < 3:
        return photo
    mask = filled_polygon((y2 - y1, x2 - x1), outline - [x1, y1])
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    skin = photo.copy()
    skin[y1:y2, x1:x2] = cv2.inpaint(skin[y1:y2, x1:x2], cv2.dilate(mask, kernel), 3, cv2.INPAINT_TELEA)
    return skin
