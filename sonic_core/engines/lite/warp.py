"""Smooth displacement fields on coarse grids: thin-plate interpolation, sampling, limiting, and inversion.

Warping a photo needs, for every pixel of the new frame, the place in the photo it comes from. Displacements are
known the other way, for points of the photo; they are spread over a coarse grid once per portrait and inverted once
per frame by fixed-point iteration. A field that would fold the picture is made smaller first. It knows nothing of
faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

STRAIN = 0.85  # the most that a warp may stretch or press together, as a share of length


@dataclass(frozen=True)
class Grid:
    """A regular grid of sample points over a rectangle of the picture, `step` px apart.

    Samples sit where cv2.resize expects them: each is the centre of a block of step x step pixels.
    """

    x: int
    y: int
    step: int
    columns: int
    rows: int

    @staticmethod
    def over(box: tuple[float, float, float, float], step: int) -> Grid:
        """The grid that covers the box (x1, y1, x2, y2)."""
        x, y = int(np.floor(box[0])), int(np.floor(box[1]))
        return Grid(x, y, step, int(np.ceil((box[2] - x) / step)), int(np.ceil((box[3] - y) / step)))

    @property
    def width(self) -> int:
        return self.columns * self.step

    @property
    def height(self) -> int:
        return self.rows * self.step

    def points(self, margin: int = 0) -> np.ndarray:
        """(rows, columns, 2) float32 pixel coordinates of the samples, and of `margin` more on every side."""
        middle = (self.step - 1) / 2
        x = self.x + np.arange(-margin, self.columns + margin, dtype=np.float32) * self.step + middle
        y = self.y + np.arange(-margin, self.rows + margin, dtype=np.float32) * self.step + middle
        return np.stack(np.meshgrid(x, y), -1).astype(np.float32)

    def place_of(self, pixels: np.ndarray) -> np.ndarray:
        """Where (..., 2) pixel coordinates lie among the samples, (column, row), float32."""
        corner = np.array([self.x, self.y], np.float32) + np.float32((self.step - 1) / 2)
        return (pixels - corner) / np.float32(self.step)

    def pixels(self) -> np.ndarray:
        """(height, width, 2) float32 coordinates of every pixel the grid covers."""
        return pixels_of(self.x, self.y, self.x + self.width, self.y + self.height)

    def sample(self, field: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Bilinear values of a (rows, columns, c) field at (h, w, 2) pixel coordinates; its rim is repeated outside."""
        return look_up(field, self.place_of(points))

    def invert(self, field: np.ndarray, iterations: int = 5) -> np.ndarray:
        """The inverse of `x -> x + field(x)`: (rows, columns, 2) px to add to each sample to find where it comes from.

        By fixed-point iteration, which settles where `field` neither folds nor stretches much. Five rounds differ from
        many by 69 dB in a frame with a wide open mouth.
        """
        opposite = field * np.float32(-1 / self.step)  # in units of the grid: the loop is adding and looking up
        back = opposite
        for _ in range(iterations):
            back = look_up(opposite, cv2.add(self._samples, back))
        return back * np.float32(self.step)

    @cached_property
    def _samples(self) -> np.ndarray:
        """(rows, columns, 2) float32: the samples' own columns and rows."""
        return np.stack(np.meshgrid(np.arange(self.columns), np.arange(self.rows)), -1).astype(np.float32)

    def fold_limit(self, field: np.ndarray, used: np.ndarray | None = None) -> float:
        """The largest share, 1 at most, of a (m, n, 2) px field, or part of one, that certainly folds nowhere.

        A map whose strain (the symmetric part of the displacement's derivative) stays below one everywhere moves no
        two places past each other, so it is one to one; shearing and turning do not count. The share leaves a strain
        of STRAIN at most at every corner of every cell and so, between samples, everywhere. `used` (m - 1, n - 1): the
        cells that count, all when left out.
        """
        # No strain can be larger than what the steepest slopes would make if they met in one place.
        (xx, xy), (yx, yy) = (_steepest(np.ascontiguousarray(field[..., k])) for k in (0, 1))
        if xx + yy + np.hypot(xx + yy, xy + yx) < 2 * STRAIN * self.step:
            return 1.0
        strain = self.strain(field)
        worst = (strain if used is None else strain[used]).max(initial=0)
        return min(1.0, STRAIN / max(float(worst), 1e-9))

    def strain(self, field: np.ndarray) -> np.ndarray:
        """(m - 1, n - 1) the greatest strain of a (m, n, 2) px field, or part of one, at the corners of each cell."""
        (xx, yx), (xy, yy) = (
            cv2.split(cv2.subtract(after, before))
            for after, before in ((field[:, 1:], field[:, :-1]), (field[1:], field[:-1]))
        )
        greatest = np.zeros((len(xy), xx.shape[1]), np.float32)
        for above in (np.s_[:-1], np.s_[1:]):
            for left in (np.s_[:, :-1], np.s_[:, 1:]):
                stretch = cv2.absdiff(xx[above], -yy[left])  # |xx + yy|
                shear = cv2.magnitude(cv2.subtract(xx[above], yy[left]), cv2.add(yx[above], xy[left]))
                cv2.max(greatest, cv2.add(stretch, shear), greatest)
        return greatest / np.float32(2 * self.step)

    def to_pixels(self, values: np.ndarray) -> np.ndarray:
        """(rows, columns, c) values on this grid -> (height, width, c), one for every pixel it covers.

        The values go on unchanged past the outermost samples: give displacements, not places.
        """
        return cv2.resize(values, (self.width, self.height), interpolation=cv2.INTER_LINEAR)

    def to_pixels_within(self, values: np.ndarray, x1: int, y1: int, x2: int, y2: int) -> np.ndarray:
        """`to_pixels(values)[y1:y2, x1:x2]`, computing no more than that."""
        left, top = max(x1 // self.step - 1, 0), max(y1 // self.step - 1, 0)
        part = np.ascontiguousarray(values[top : y2 // self.step + 2, left : x2 // self.step + 2])
        size = (part.shape[1] * self.step, part.shape[0] * self.step)
        pixels = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
        left, top = x1 - left * self.step, y1 - top * self.step
        return np.ascontiguousarray(pixels[top : top + y2 - y1, left : left + x2 - x1])


def _steepest(values: np.ndarray) -> tuple[float, float]:
    """The largest difference between neighbours of (rows, columns) float32 values, across and down."""
    pairs = (values[:, 1:], values[:, :-1]), (values[1:], values[:-1])
    across, down = (cv2.norm(first, second, cv2.NORM_INF) if first.size else 0.0 for first, second in pairs)
    return across, down


def pixels_of(x1: int, y1: int, x2: int, y2: int) -> np.ndarray:
    """(y2 - y1, x2 - x1, 2) float32 coordinates of the pixels of a box."""
    return np.stack(np.meshgrid(np.arange(x1, x2, dtype=np.float32), np.arange(y1, y2, dtype=np.float32)), -1)


def look_up(image: np.ndarray, at: np.ndarray, cubic: bool = False, zero_outside: bool = False) -> np.ndarray:
    """Values of an image (H, W, c) at (h, w, 2) pixel coordinates: (h, w, c) of the image's type.

    Outside the image its border is repeated, or everything is zero.
    """
    border = cv2.BORDER_CONSTANT if zero_outside else cv2.BORDER_REPLICATE
    interpolation = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    return cv2.remap(image, at.astype(np.float32, copy=False), None, interpolation, borderMode=border)  # type: ignore[call-overload]


def filled_polygon(shape: tuple[int, ...], outline: np.ndarray) -> np.ndarray:
    """(h, w) uint8: 255 inside an outline (m, 2) px, given to a sixteenth of a pixel, 0 outside."""
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
    return mask


def box_of(chosen: np.ndarray) -> tuple[slice, slice] | None:
    """The smallest rows and columns that hold all of the chosen (h, w) bool pixels; None when there are none."""
    rows, columns = np.flatnonzero(chosen.any(1)), np.flatnonzero(chosen.any(0))
    return np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else None


def along(points: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """(...,) how far points (..., 2) lie in a direction (2,).

    Frames are drawn without numpy's matrix products: on products this small its library's threads cost more than they
    save, twice the processor time on a busy machine.
    """
    return points[..., 0] * direction[0] + points[..., 1] * direction[1]


def across(down: np.ndarray) -> np.ndarray:
    """(2,) float32 the direction at a right angle to (2,) `down`: to the right where `down` is downwards."""
    return np.array([down[1], -down[0]], np.float32)


class ThinPlate:
    """The smoothest surfaces through values at (n, 2) controls, read at (q, 2) queries."""

    def __init__(self, controls: np.ndarray, queries: np.ndarray):
        middle, size = controls.mean(0), np.abs(controls - controls.mean(0)).max()
        self.controls, places = ((p.astype(np.float64) - middle) / size for p in (controls, queries))
        self.system = _plate(self.controls, self.controls)
        places = places.astype(np.float32)
        self.kernel = _plate(places, self.controls.astype(np.float32))  # (q, n)
        self.plane = np.concatenate([np.ones((len(places), 1), np.float32), places], 1)

    def through(self, values: np.ndarray, chosen: np.ndarray, smoothing: float) -> np.ndarray:
        """(q, v) float32 surfaces through (k, v) values at the `chosen` (n,) bool controls.

        `smoothing` lets a surface miss noisy values: 0 passes through all of them.
        """
        n = len(values)
        system = np.zeros((n + 3, n + 3))
        system[:n, :n] = self.system[np.ix_(chosen, chosen)] + smoothing * np.eye(n)
        system[:n, n], system[:n, n + 1 :] = 1, self.controls[chosen]
        system[n:, :n] = system[:n, n:].T
        right = np.concatenate([values, np.zeros((3, values.shape[1]))])
        factors = np.linalg.solve(system, right).astype(np.float32)
        return self.kernel[:, chosen] @ factors[:n] + self.plane @ factors[n:]


def _plate(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    np.maximum(squared, 1e-12, out=squared)
    return squared * np.log(squared) / 2


def smoothstep(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between; `low` may be the larger."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
