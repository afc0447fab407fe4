"""Draws a new mouth into a frame of a video: lips, jaw and cheeks where the speech wants them, the rest as it is.

The frame's own pixels are moved, so light, grain and skin stay those of the frame. Where every landmark of the lower
face should be is absolute (the person's own face at rest plus the motion), so nothing of the old speech stays; where
it is now comes from the track. Two smooth fields lead back from one to the other, one for all that moves with the upper
lip and one for the lower, and between the lips the inside of the mouth is painted as on a photo.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np

from sonic_core.dub.faces import FaceState, RestFace
from sonic_core.dub.lip_edges import lip_begins, lip_ends, shadow_begins
from sonic_core.dub.people import HeadView
from sonic_core.dub.texture import grain, like_the_picture, softness
from sonic_core.engines.lite.expression import BOW, TEETH_SHOW, dense_contour
from sonic_core.engines.lite.expression_modes import RING_SHARE, rolled_in
from sonic_core.engines.lite.interior import make_interior
from sonic_core.engines.lite.landmarks import ABOVE_LIP, LOWER_INNER, LOWER_LIP, UPPER_INNER, UPPER_LIP
from sonic_core.engines.lite.layout import MOUTH, PRESS, TEETH, TONGUE, MouthBasis
from sonic_core.engines.lite.lips import LipDistances, Lips
from sonic_core.engines.lite.mouth import TOUCH
from sonic_core.engines.lite.pose import FaceFit, fit_rigid
from sonic_core.engines.lite.warp import Grid, ThinPlate, along, box_of, look_up, pixels_of, smoothstep
from sonic_core.face.points import CHIN, FOREHEAD

BOX = (-1.5, 0.55, 1.5, 3.05)  # canonical: x1, y1, x2, y2 of what may change
RIM = np.array(
    [(x, y, 0.5) for x in np.linspace(BOX[0], BOX[2], 6) for y in (BOX[1], BOX[3])]
    + [(x, y, 0.5) for y in np.linspace(BOX[1], BOX[3], 6)[1:-1] for x in (BOX[0], BOX[2])],
    np.float32,
)  # canonical: places round BOX that stay where they are
MOUTH_LEVEL = -0.1  # canonical depth at which the inside of the mouth is carried from one frame to another
DETAIL = 48  # samples of the fields in a face's height
SMOOTHING = 3e-4  # of the fields, so that a noisy landmark makes no dent
STAYS, MOVES = 0.006, 0.02  # movement of a landmark in speech (canonical) from which it is moved little, and fully
CREASE = 0.6  # how dark the line is between closed lips that are apart in the frame, 1 as in photos
BETWEEN = np.array([1.0, 0.67, 0.33])  # how far the first three rings of a lip follow its outer edge
HALFWAY = 0.5  # how far the landmarks between upper lip and nose follow a corrected outer edge of the lip
TEETH_MARGIN = 0.018  # face heights: along an open mouth, so much of a lip's edge may show teeth


@dataclass(frozen=True)
class NewMouth:
    """Where things should be in one frame."""

    fit: FaceFit
    row: np.ndarray  # of motion, see lite's layout.py
    moved: np.ndarray  # (478, 3) canonical: how far the speech moves every landmark from rest
    points: np.ndarray  # (478, 2) px of all landmarks
    lips: Lips
    face_height: float  # px


class MouthPainter:
    """New mouths for one person. Everything that does not depend on the frame is computed here once."""

    def __init__(self, rest: RestFace, view: HeadView):
        """`rest`: the person's face at rest; `view`: a head to take the mouth's colours from."""
        self.basis, self.rest, self.lip_ends = MouthBasis.load(), rest.landmarks, rest.lip_ends
        average = np.linalg.norm(self.basis.rest[FOREHEAD] - self.basis.rest[CHIN])
        self.height = float(np.linalg.norm(self.rest[FOREHEAD] - self.rest[CHIN]))  # canonical
        self.ratio = float(np.clip(self.height / average, 0.85, 1.15))  # movement grows with the face
        moves = np.sqrt((self.basis.components**2).sum((0, 2)))
        self.follows = smoothstep(moves, STAYS, MOVES).astype(np.float32)[:, None]
        self.follows[np.unique(np.concatenate([UPPER_LIP, LOWER_LIP]))] = 1
        upper, lower = _controls(self.basis.rest)
        self.controls = np.union1d(upper, lower)
        self.leads = [np.concatenate([np.isin(self.controls, one), np.ones(len(RIM), bool)]) for one in (upper, lower)]
        points = view.landmarks[:, :2]
        self.view_fit = fit_rigid(view.landmarks, self.basis)
        height = float(np.linalg.norm(points[FOREHEAD] - points[CHIN]))
        self.interior = make_interior(self.view_fit, self.basis.rest, view.picture, points, height)
        self.view_skin = _skin(view.picture, points)
        face = _face_of(view)
        self.blur, self.noise = softness(face), grain(face)

    def paint(self, frame: np.ndarray, state: FaceState, row: np.ndarray) -> np.ndarray:
        """A copy of a frame uint8 (h, w, 3) with the mouth of a motion row, see lite's layout.py."""
        if state.strength <= 0:
            return frame
        x1, y1, x2, y2 = part_of(state.fit, frame.shape)
        if x2 - x1 < 8 or y2 - y1 < 8:
            return frame
        part = np.ascontiguousarray(frame[y1:y2, x1:x2])
        fit = FaceFit(state.fit.axes, state.fit.origin - np.array([x1, y1, 0], np.float32))
        points = state.landmarks[:, :2] - np.array([x1, y1], np.float32)
        painted = self._painted(part, fit, points, row)
        result = frame.copy()
        result[y1:y2, x1:x2] = cv2.addWeighted(painted, state.strength, part, 1 - state.strength, 0)
        return result

    def _painted(self, part: np.ndarray, fit: FaceFit, points: np.ndarray, row: np.ndarray) -> np.ndarray:
        """The part of a frame, uint8 (h, w, 3), with the new mouth; `fit` and `points` are in its pixels."""
        height, width = part.shape[:2]
        new = self._new_mouth(fit, points, row)
        grid = Grid.over((0, 0, width, height), max(2, round(new.face_height / DETAIL)))
        upper, lower = self._fields(new.points, self._source(part, fit, points), grid, fit)
        # Away from the lips both fields are nearly one, so places between theirs will do.
        places = grid.points()
        above = new.lips.is_above(along(places, new.lips.across), along(places, new.lips.down))[..., None]
        painted = _moved(part, grid, lower + above * (upper - lower), (0, 0, width, height))
        corners, margin = new.points[np.concatenate([UPPER_LIP[0], LOWER_LIP[0]])], 2 * grid.step
        x1, y1 = np.clip(np.floor(corners.min(0) - margin), 0, [width, height]).astype(int)
        x2, y2 = np.clip(np.ceil(corners.max(0) + margin), 0, [width, height]).astype(int)
        if min(x2 - x1, y2 - y1) < 3:
            return painted
        pixels = pixels_of(x1, y1, x2, y2)
        around = new.lips.distances(pixels)
        above = around.is_above[..., None]
        # Here colours are mixed: halfway between the places of parted lips lies the dark of the mouth.
        from_upper, from_lower = (_moved(part, grid, field, (x1, y1, x2, y2)) for field in (upper, lower))
        lips = from_upper * above + from_lower * (1 - above)
        lips *= around.line(new.face_height, self._crease(fit, points))
        self._open(lips, _skin(part, points), pixels, around, new)
        painted[y1:y2, x1:x2] = np.clip(lips + 0.5, 0, 255)
        return painted

    def _new_mouth(self, fit: FaceFit, points: np.ndarray, row: np.ndarray) -> NewMouth:
        """Where a motion row puts the mouth of a face whose landmarks (n, 2) px are at `points`."""
        face_height = self.height * fit.scale
        moved = self.ratio * self.basis.displacement(np.clip(row[None, MOUTH], -8, 8))[0]
        goal = self._goal(fit, points, moved, row)
        lips = Lips(dense_contour(goal[UPPER_INNER]), dense_contour(goal[LOWER_INNER]), fit.down, TOUCH * face_height)
        return NewMouth(fit, row, moved, goal, lips, face_height)

    def _fields(self, goal: np.ndarray, source: np.ndarray, grid: Grid, fit: FaceFit) -> list[np.ndarray]:
        """The upper and the lower field, (rows, columns, 2) px from goal to source; still round the lower face."""
        still = fit.to_pixels(RIM)[:, :2]
        plate = ThinPlate(np.concatenate([goal[self.controls], still]), grid.points().reshape(-1, 2))
        values = np.concatenate([(source - goal)[self.controls], np.zeros_like(still)])
        window = _window(grid.points(), fit)[..., None]
        return [
            window * plate.through(values[chosen], chosen, SMOOTHING).reshape(grid.rows, grid.columns, 2)
            for chosen in self.leads
        ]

    def _goal(self, fit: FaceFit, points: np.ndarray, moved: np.ndarray, row: np.ndarray) -> np.ndarray:
        """(478, 2) px where every landmark should be; the lips are as far apart as the motion says, to the pixel."""
        press, teeth = np.clip(row[PRESS], 0, 1), np.clip(row[TEETH], 0, 1)
        goal = points + self.follows * (fit.to_pixels(self.rest + moved)[:, :2] - points)
        _end_later(goal, self.lip_ends * _thickness(goal, UPPER_LIP, -fit.down), -fit.down)
        upper_roll, lower_roll = rolled_in(goal, fit.down)
        goal += press * upper_roll + max(press, teeth) * lower_roll
        lips = (moved @ fit.axes)[:, :2]
        wanted = np.maximum((lips[LOWER_INNER] - lips[UPPER_INNER]) @ fit.down, 0) * (1 - press)
        wanted[1:-1] += teeth * np.maximum(TEETH_SHOW * self.height * fit.scale * BOW - wanted[1:-1], 0)
        missing = wanted - (goal[LOWER_INNER] - goal[UPPER_INNER]) @ fit.down
        missing[[0, -1]] = 0  # both are the same corner
        for share, upper, lower in zip(RING_SHARE, UPPER_LIP, LOWER_LIP, strict=True):
            goal[upper] -= (share * missing / 2)[:, None] * fit.down
            goal[lower] += (share * missing / 2)[:, None] * fit.down
        return goal.astype(np.float32)

    def _crease(self, fit: FaceFit, points: np.ndarray) -> float:
        """How dark the line between the lips is drawn: lips that are apart in the frame have none to show."""
        gap = float(((points[LOWER_INNER] - points[UPPER_INNER]) @ fit.down).max())
        return CREASE * float(smoothstep(np.array(gap / (self.height * fit.scale)), 0.008, 0.03))

    def _source(self, part: np.ndarray, fit: FaceFit, points: np.ndarray) -> np.ndarray:
        """(478, 2) px where the landmarks are now; lips' edges are taken from their colours and kept clear of teeth."""
        source = points.copy()
        gap = (points[LOWER_INNER] - points[UPPER_INNER]) @ fit.down
        margin = np.minimum(np.maximum(gap, 0) / 2, TEETH_MARGIN * self.height * fit.scale)
        for lip, away in ((UPPER_LIP, -fit.down), (LOWER_LIP, fit.down)):
            inner, outer = points[lip[3]], points[lip[0]]
            thickness = _thickness(points, lip, away)
            begins = lip_begins(part, inner, outer) * thickness
            if lip is UPPER_LIP:
                _end_later(source, lip_ends(part, inner, outer) * thickness, away)
            else:
                source[lip[:3]] -= (BETWEEN[:, None] * shadow_begins(part, inner, outer) * thickness)[..., None] * away
            source[lip[3]] += np.maximum(margin, begins)[:, None] * away
            source[lip[:3]] += ((1 - BETWEEN[:, None]) * begins)[..., None] * away
        return source

    def _open(
        self, picture: np.ndarray, skin: np.ndarray, pixels: np.ndarray, around: LipDistances, new: NewMouth
    ) -> None:
        """Paint the inside of the mouth between the lips into a picture float32 (h, w, 3) of (h, w, 2) px of the frame.

        `skin` (3,) is the cheeks' colour.
        """
        opening = around.opening(new.face_height)
        box = box_of(opening > 0)
        if box is None:
            return
        blur = self.blur * new.fit.scale / self.view_fit.scale
        reach = ceil(3 * blur)
        rows, columns = (slice(max(side.start - reach, 0), side.stop + reach) for side in box)
        box = rows, columns
        inside = self._inside(pixels[box], around.within(box), new) * (skin / self.view_skin)
        inside = like_the_picture(inside, blur, self.noise, seed=abs(int(new.fit.origin[0] * 1000)))
        share = like_the_picture(np.ascontiguousarray(opening[box]), blur / 2, 0.0, seed=0)[..., None]
        picture[box] += share * (inside - picture[box])

    def _inside(self, pixels: np.ndarray, around: LipDistances, new: NewMouth) -> np.ndarray:
        """The inside of the mouth (h, w, 3): the view's, carried over by the plane the mouth lies in."""
        own, view = _plane(new.fit), _plane(self.view_fit)
        carry = np.linalg.inv(own[:2]) @ view[:2]
        source = (pixels - own[2]) @ carry + view[2]
        jaw = (new.moved[CHIN] @ self.view_fit.axes)[:2]
        scale = self.view_fit.scale / new.fit.scale
        articulation = {"teeth": float(new.row[TEETH]), "tongue": float(new.row[TONGUE])}
        return self.interior.draw(source.astype(np.float32), jaw, new.lips, around, scale, **articulation)


def _thickness(points: np.ndarray, lip: np.ndarray, away: np.ndarray) -> np.ndarray:
    """(11,) px of a lip, measured along `away`, which points from its inner edge to its outer one."""
    return np.maximum((points[lip[0]] - points[lip[3]]) @ away, 0)


def _end_later(points: np.ndarray, ends: np.ndarray, away: np.ndarray) -> None:
    """Move the upper lip's outer edge by `ends` (11,) px, and what lies beside it along; in place."""
    points[UPPER_LIP[:3]] += (BETWEEN[:, None] * ends)[..., None] * away
    points[ABOVE_LIP] += (HALFWAY * ends)[:, None] * away


def _face_of(view: HeadView) -> np.ndarray:
    """The part of a view that the face fills."""
    low = np.maximum(view.landmarks[:, :2].min(0), 0).astype(int)
    high = view.landmarks[:, :2].max(0).astype(int)
    return view.picture[low[1] : high[1], low[0] : high[0]]


def _controls(rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks that lead the upper field and those that lead the lower one."""
    lower_face = (rest[:, 1] > 0.7) & (np.arange(478) < 468)
    central = np.abs(rest[:, 0]) < 0.40
    below, above = np.zeros(478, bool), np.zeros(478, bool)
    below[LOWER_LIP[:, 1:-1]] = above[UPPER_LIP[:, 1:-1]] = True
    lips = below | above
    below |= central & (rest[:, 1] > 1.6) & (rest[:, 1] < 2.1) & ~above
    above |= central & (rest[:, 1] > 1.25) & (rest[:, 1] <= 1.6) & ~below
    # Every second landmark will do where nothing is small.
    chosen = lower_face & (lips | (np.arange(478) % 2 == 0))
    chosen[[CHIN, *UPPER_LIP[0, [0, -1]]]] = True
    return np.flatnonzero(chosen & ~below), np.flatnonzero(chosen & ~above)


def _moved(part: np.ndarray, grid: Grid, field: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """uint8 (h, w, 3) what a box of a picture shows when a field on the grid says where its pixels come from."""
    return look_up(part, pixels_of(*box) + grid.to_pixels_within(field, *box), cubic=True)


def _window(places: np.ndarray, fit: FaceFit) -> np.ndarray:
    """(rows, columns) 1 in the lower face, 0 from the rim of BOX on."""
    _, y1, x2, y2 = BOX
    middle = fit.to_pixels(np.array([0, (y1 + y2) / 2, 0.5], np.float32))[:2]
    offset = (places - middle) / fit.scale
    sideways = np.abs(offset @ fit.across) / (0.97 * x2)
    upwards = np.abs(offset @ fit.down) / (0.97 * (y2 - y1) / 2)
    return smoothstep(np.maximum(sideways, upwards), 1.0, 0.72).astype(np.float32)


def part_of(fit: FaceFit, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The rectangle of a picture that holds BOX."""
    x1, y1, x2, y2 = BOX
    corners = fit.to_pixels(np.array([(x, y, 0.5) for x in (x1, x2) for y in (y1, y2)], np.float32))[:, :2]
    low = np.clip(np.floor(corners.min(0)), 0, [shape[1], shape[0]]).astype(int)
    high = np.clip(np.ceil(corners.max(0)), 0, [shape[1], shape[0]]).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _plane(fit: FaceFit) -> np.ndarray:
    """(3, 2) affine from canonical x and y, at the depth of the mouth, to px: two axes and the origin."""
    origin = fit.origin[:2] + MOUTH_LEVEL * fit.axes[2, :2]
    return np.stack([fit.axes[0, :2], fit.axes[1, :2], origin])


def _skin(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(3,) the cheeks' colour in a picture uint8 (h, w, 3): the mean of small squares."""
    square = np.stack(np.meshgrid(np.arange(-2, 3), np.arange(-2, 3)), -1).reshape(-1, 2)
    places = points[[50, 205, 187, 280, 425, 411], None] + square
    return np.maximum(look_up(picture, places.astype(np.float32)).mean((0, 1)), 1.0).astype(np.float32)
