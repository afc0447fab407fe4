"""How mouth, jaw, cheeks and brows move in the picture: displacement fields for the upper and the lower face.

The lips part, so one smooth field cannot hold both: the upper one carries everything above the line between the lips,
the lower one everything below, and each continues smoothly across it. Beyond the corners of the mouth they agree.

An opening is absolute. The photo's own mouth is closed first, whatever it does; then the motion's opening is set
exactly, pair by pair along the lips, so that lips that should meet do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from sonic_core.engines.lite.expression_modes import PAIRS, make_modes
from sonic_core.engines.lite.landmarks import LOWER_INNER, LOWER_LIP, UPPER_INNER, UPPER_LIP
from sonic_core.engines.lite.layer import Layer
from sonic_core.engines.lite.layout import BROWS, CHANNELS, CORNERS, MOUTH, PRESS, TEETH, MouthBasis
from sonic_core.engines.lite.pose import FaceFit
from sonic_core.engines.lite.warp import STRAIN, Grid, ThinPlate, smoothstep
from sonic_core.face.points import CHIN

DETAIL = 64  # samples of the fields in a face height
WIDE = 3.5  # the first coefficient of a wide open mouth in speech
REACH = 0.15  # face heights that a layer goes on beyond the line between the lips
TEETH_SHOW = 0.012  # face heights of teeth seen above the lower lip for f and v
BOW = np.sin(np.linspace(0.1, 0.9, PAIRS) * np.pi).astype(np.float32)  # more in the middle than at the corners
# Seen from outside, lips that were closed in the photo look less open than they are, smiling ones more. Face heights to
# add to a small opening, fitted so that a landmark tracker sees what the motion says. Trackers disagree on thick lips:
# MediaPipe reads them as more open than they are drawn and our own landmarks as less, so they are drawn as they are.
SEEN_CLOSED, SEEN_SMILE, SEEN_THICK = 0.009, -0.010, 0.0
SMILING, THICK = (0.004, 0.014), (0.12, 0.15)  # from none to all: the photo's opening, both lips' thickness
SMOOTHING = 2e-4  # of the surfaces through the landmarks' movements
# Landmarks of a face in profile lie so close that movements which differ a little would fold what is between them.
# There, and only there, fields are blurred by SOFTEN samples, until a wide open mouth and a shut one keep more than
# FREE of their movement or ROUNDS are over. A shut mouth that kept less would not be shut.
FREE, ROUNDS, SOFTEN = (0.8, 0.97), 10, 2.0
JOINED = 0.1  # of the mouth's width from a corner over which blurred fields come to agree
LEAST_EFFECT = 0.005  # of the strongest combination of pairs: weaker ones are not used
# An ellipsoid whose surface gives the direction that a landmark faces; those that face further away are left out.
SKULL, SKULL_RADII, SEEN_UNTIL = np.array([0, 0.8, 0.9], np.float32), np.array([1.2, 3.0, 1.5], np.float32), 0.3
# The canonical box round the lower face and the brow beyond which nothing moves.
STILL_BOX = (-1.75, -1.5, 1.75, 3.35)


@dataclass(frozen=True)
class Expression:
    """The fields of one portrait."""

    grid: Grid  # of the whole moving face
    upper: Layer
    lower: Layer
    upper_contour: np.ndarray  # (m, 2) px in the photo: the lower edge of the upper lip, left to right
    lower_contour: np.ndarray  # (m, 2) the upper edge of the lower lip
    wanted: np.ndarray  # (12, PAIRS) px of opening for one unit of each mouth coefficient
    measured: np.ndarray  # (modes, PAIRS) px of opening that each mode makes
    source_gap: np.ndarray  # (PAIRS,) px of opening in the photo
    solve: np.ndarray  # (PAIRS, PAIRS) from missing opening to the weights of the pair modes
    jaw: np.ndarray  # (modes, 2) px movement of the chin
    bias: float  # px to add to an opening so that it looks as wide as it should
    height: float  # px of the face, forehead to chin

    def weights(self, row: np.ndarray, rolled: float = 1.0) -> np.ndarray:
        """(27,) motion -> (modes,) weights: 1 for closing, mouth, brows, pressed lips, a lip at the teeth, pairs.

        `rolled`: the share of the lips' rolling in that is applied.
        """
        mouth, press, teeth = np.clip(row[MOUTH], -8, 8), np.clip(row[PRESS], 0, 1), np.clip(row[TEETH], 0, 1)
        rolls = [rolled * press, rolled * teeth]
        corners = row[CORNERS:] if len(row) > CORNERS else [0.0]
        plain = np.concatenate([[1.0], mouth, np.clip(row[BROWS], 0, 1), corners, rolls]).astype(np.float32)
        opening = np.maximum(mouth @ self.wanted, 0) * (1 - press)
        opening += teeth * np.maximum(TEETH_SHOW * self.height * BOW - opening, 0)
        share = opening / self.height
        seen = smoothstep(share, 0.002, 0.010) * smoothstep(share, 0.12, 0.05)
        bias = max(self.bias, 0) + (1 - teeth) * min(self.bias, 0)  # a smile's lips must part for f and v
        opening = np.maximum(opening + bias * seen, 0)
        missing = opening - self.source_gap - plain @ self.measured[: len(plain)]
        return np.concatenate([plain, missing @ self.solve]).astype(np.float32)

    def fields(self, row: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The fields of a row of motion, made smaller where they would fold the picture.

        (rows, columns, 2) px of the upper and of the lower face on the grids of their layers, (2,) px of the chin. Thin
        lips are rolled in less before anything else is held back, as that would part lips that should meet.
        """
        for rolled in (1.0, 0.5, 0.0):
            weights = self.weights(row, rolled)
            upper, lower = self.upper.field(weights), self.lower.field(weights)
            share = self.limit(upper, lower)
            if share == 1 or max(row[PRESS], row[TEETH]) <= 0:
                break
        if share < 1:
            upper, lower = upper * np.float32(share), lower * np.float32(share)
        return upper, lower, weights @ self.jaw * np.float32(share)

    def extremes(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The fields, before any limit, of the widest mouth in speech and of a shut one."""
        wide = np.zeros(CHANNELS, np.float32)
        wide[0] = WIDE
        both = [self.weights(row) for row in (wide, np.zeros(CHANNELS, np.float32))]
        return [(self.upper.field(weights), self.lower.field(weights)) for weights in both]

    def limit(self, upper: np.ndarray, lower: np.ndarray) -> float:
        """The largest share, 1 at most, of both fields with which nothing folds."""
        return min(self.upper.limit(upper), self.lower.limit(lower))


def make_expression(
    fit: FaceFit, basis: MouthBasis, points: np.ndarray, face_height: float, glasses: bool = False
) -> Expression:
    """The fields of a portrait with (478, 2) landmarks in px, who may wear glasses."""
    modes = make_modes(fit, basis, points, face_height, glasses)
    corners = np.array([[STILL_BOX[i], STILL_BOX[j], 0.6] for i in (0, 2) for j in (1, 3)], np.float32)
    box = fit.to_pixels(corners)[:, :2]
    grid = Grid.over((*box.min(0), *box.max(0)), max(2, round(face_height / DETAIL)))
    queries = grid.points().reshape(-1, 2)
    still = fit.to_pixels(_still_points())[:, :2]
    surfaces = _Surfaces(ThinPlate(np.concatenate([points, still]), queries), modes, _window(queries, fit), grid)
    above, below = _lips_and_skin_between(basis.rest)
    seen = (np.arange(478) < 468) & _is_seen(fit, basis.rest)

    upper_points, lower_points, down = points[UPPER_INNER], points[LOWER_INNER], fit.down
    lines, cells = (dense_contour(upper_points), dense_contour(lower_points)), grid.points()[1:, 1:] - grid.step / 2
    across = fit.across
    upper_line, lower_line = (np.interp(cells @ across, line @ across, line @ down) for line in lines)
    lips = basis.components @ fit.axes
    wanted = ((lips[:, LOWER_INNER] - lips[:, UPPER_INNER])[..., :2] @ down)[:, 1:-1]
    gap = ((lower_points - upper_points) @ down).max()
    thickness = (points[LOWER_LIP[0, 5]] - points[UPPER_LIP[0, 5]]) @ down - gap
    upper, lower = surfaces.of(seen & ~below), surfaces.of(seen & ~above)
    used_upper, used_lower = cells @ down < upper_line + grid.step, cells @ down > lower_line - grid.step
    left, right = np.sort([(upper_points[[0, -1]] @ across), (lower_points[[0, -1]] @ across)], 0)[[1, 0], [0, 1]]
    inside = np.minimum(queries @ across - left, right - queries @ across) / (right - left)
    between = np.repeat(smoothstep(inside, 0.0, JOINED), 2).astype(np.float32)
    best: tuple[float, Expression] | None = None
    for _ in range(ROUNDS):
        measured = ((surfaces.at(lower, lower_points) - surfaces.at(upper, upper_points)) @ down)[:, 1:-1]
        expression = Expression(
            grid=grid,
            upper=Layer(grid, upper, used_upper),
            lower=Layer(grid, lower, used_lower),
            upper_contour=lines[0],
            lower_contour=lines[1],
            wanted=wanted.astype(np.float32),
            measured=measured.astype(np.float32),
            source_gap=((lower_points - upper_points) @ down)[1:-1].astype(np.float32),
            solve=_inverse(measured[-PAIRS:]),
            jaw=modes[:, CHIN].astype(np.float32),
            bias=face_height
            * min(
                np.interp(gap / face_height, SMILING, [SEEN_CLOSED, SEEN_SMILE]),
                np.interp(thickness / face_height, THICK, [SEEN_CLOSED, SEEN_THICK]),
            ),
            height=face_height,
        )
        extremes = expression.extremes()
        share = min(expression.limit(*fields) / free for fields, free in zip(extremes, FREE, strict=True))
        if best is None or share > best[0]:
            best = share, expression
        if share > 1:
            break
        strained = [np.any([grid.strain(fields[k]) > STRAIN for fields in extremes], 0) for k in (0, 1)]
        upper = surfaces.softened(upper, used_upper & strained[0])
        lower = surfaces.softened(lower, used_lower & strained[1])
        # Blurred, they no longer agree in the corners and beyond.
        middle, half = (upper + lower) / 2, between * (upper - lower) / 2
        upper, lower = middle + half, middle - half
    assert best is not None
    whole, reach = best[1], round(REACH * face_height / grid.step)
    return replace(whole, upper=whole.upper.cropped(reach), lower=whole.lower.cropped(reach))


def _inverse(effect: np.ndarray) -> np.ndarray:
    """(PAIRS, PAIRS) from missing opening to the pairs' weights; pairs that hardly move anything are left alone."""
    return np.linalg.pinv(effect.astype(np.float64), rcond=LEAST_EFFECT).astype(np.float32)


@dataclass(frozen=True)
class _Surfaces:
    """How every mode moves the samples of a grid, from how it moves landmarks."""

    plate: ThinPlate  # over the landmarks and the points that stay still
    modes: np.ndarray  # (modes, 478, 2)
    window: np.ndarray  # (q,)
    grid: Grid

    def of(self, chosen: np.ndarray) -> np.ndarray:
        """(modes, rows * columns * 2) through the chosen (478,) landmarks."""
        count, still = len(self.modes), len(self.plate.controls) - len(chosen)
        values = self.modes[:, chosen].transpose(1, 0, 2).reshape(chosen.sum(), -1)
        values = np.concatenate([values, np.zeros((still, values.shape[1]))])
        field = self.plate.through(values, np.append(chosen, np.ones(still, bool)), SMOOTHING) * self.window[:, None]
        field = field.reshape(len(field), count, 2).transpose(1, 0, 2).reshape(count, -1)
        return np.ascontiguousarray(field, np.float32)

    def softened(self, layer: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """A layer of modes blurred round the chosen (rows - 1, columns - 1) bool cells."""
        samples = np.pad(cells, ((0, 1), (0, 1))) | np.pad(cells, ((1, 0), (1, 0)))
        near = cv2.dilate(samples.astype(np.float32), np.ones((3, 3)), iterations=round(SOFTEN))
        near = cv2.GaussianBlur(near, (0, 0), SOFTEN)[..., None]
        shaped = layer.reshape(-1, self.grid.rows, self.grid.columns, 2)
        blurred = np.stack([cv2.GaussianBlur(mode, (0, 0), SOFTEN) for mode in shaped])
        return (shaped + near * (blurred - shaped)).reshape(layer.shape)

    def at(self, layer: np.ndarray, where: np.ndarray) -> np.ndarray:
        """(modes, m, 2) a layer of modes at (m, 2) px."""
        shaped = layer.reshape(len(self.modes), self.grid.rows, self.grid.columns, 2)
        return np.stack([self.grid.sample(mode, where[None].astype(np.float32))[0] for mode in shaped])


def _lips_and_skin_between(rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(478,) bool each: landmarks that belong to the upper face alone, and to the lower one alone."""
    central = np.abs(rest[:, 0]) < 0.40
    below, above = np.zeros(478, bool), np.zeros(478, bool)
    below[LOWER_LIP[:, 1:-1]] = above[UPPER_LIP[:, 1:-1]] = True
    below |= central & (rest[:, 1] > 1.6) & (rest[:, 1] < 2.1) & ~above
    above |= central & (rest[:, 1] > 1.25) & (rest[:, 1] <= 1.6) & ~below
    return above, below


def _is_seen(fit: FaceFit, rest: np.ndarray) -> np.ndarray:
    """(478,) bool: which landmarks face the viewer; on a turned face's far side they lie on one another."""
    outwards = (rest - SKULL) / SKULL_RADII
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    seen = (outwards @ fit.axes)[:, 2] < SEEN_UNTIL * fit.scale
    seen[np.concatenate([UPPER_LIP.ravel(), LOWER_LIP.ravel()])] = True
    return seen


def _still_points() -> np.ndarray:
    x1, y1, x2, y2 = STILL_BOX
    across, along = np.linspace(x1, x2, 9), np.linspace(y1, y2, 12)
    rim = [(x, y) for x in across for y in (y1, y2)] + [(x, y) for y in along[1:-1] for x in (x1, x2)]
    return np.array([(x, y, 0.6) for x, y in rim], np.float32)


def _window(queries: np.ndarray, fit: FaceFit) -> np.ndarray:
    """(q,) 1 in the face, 0 at the rim of the still box."""
    middle = fit.to_pixels(np.array([0, (STILL_BOX[1] + STILL_BOX[3]) / 2, 0.6], np.float32))[:2]
    offset = (queries - middle) / fit.scale
    sideways = np.abs(offset @ fit.across) / STILL_BOX[2]
    upwards = np.abs(offset @ fit.down) / ((STILL_BOX[3] - STILL_BOX[1]) / 2)
    return smoothstep(np.maximum(sideways, upwards), 1.0, 0.75).astype(np.float32)


def dense_contour(contour: np.ndarray, per_segment: int = 4) -> np.ndarray:
    """(11, 2) -> (41, 2): Catmull-Rom points through a contour."""
    p = np.concatenate([2 * contour[:1] - contour[1:2], contour, 2 * contour[-1:] - contour[-2:-1]])
    t = (np.arange(per_segment) / per_segment)[None, :, None]
    a, b, c, d = (p[i : i + len(contour) - 1, None] for i in range(4))
    curve = b + (c - a) / 2 * t + (a - 2.5 * b + 2 * c - d / 2) * t**2 + (1.5 * (b - c) + (d - a) / 2) * t**3
    return np.concatenate([curve.reshape(-1, 2), contour[-1:]]).astype(np.float32)
