"""Smooth displacement fields on coarse grids: thin-plate interpolation, sampling, and inversion.

Warping a photo needs, for every pixel of the new frame, the place in the photo it comes from. Displacements are
known the other way, for points of the photo; they are spread over a coarse grid once per portrait and inverted once
per frame by fixed-point iteration. It knows nothing of faces.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


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

    def points(self) -> np.ndarray:
        """(rows, columns, 2) float32 pixel coordinates of the samples."""
        middle = (self.step - 1) / 2
        x = self.x + np.arange(self.columns, dtype=np.float32) * self.step + middle
        y = self.y + np.arange(self.rows, dtype=np.float32) * self.step + middle
        return np.stack(np.meshgrid(x, y), -1).astype(np.float32)

    def pixels(self) -> np.ndarray:
        """(height, width, 2) float32 coordinates of every pixel the grid covers."""
        x = self.x + np.arange(self.width, dtype=np.float32)
        y = self.y + np.arange(self.height, dtype=np.float32)
        return np.stack(np.meshgrid(x, y), -1)

    def sample(self, field: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Bilinear values of a (rows, columns, c) field at (..., h, w, 2) pixel coordinates; zero outside."""
        middle = (self.step - 1) / 2
        at = (points - np.array([self.x + middle, self.y + middle], np.float32)) / np.float32(self.step)
        return look_up(field, at, zero_outside=True)

    def invert(self, field: np.ndarray, points: np.ndarray, iterations: int = 6) -> np.ndarray:
        """The points x with `x + field(x) = points`: (h, w, 2) pixel coordinates."""
        # In units of the grid, so that the loop is nothing but looking up and subtracting.
        corner = np.array([self.x, self.y], np.float32) + np.float32((self.step - 1) / 2)
        target = (points - corner) / np.float32(self.step)
        field = field / np.float32(self.step)
        found = target
        for _ in range(iterations):
            found = target - look_up(field, found, zero_outside=True)
        return found * np.float32(self.step) + corner

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


def look_up(image: np.ndarray, at: np.ndarray, cubic: bool = False, zero_outside: bool = False) -> np.ndarray:
    """Values of an image (H, W, c) at (h, w, 2) pixel coordinates: (h, w, c) of the image's type.

    Outside the image its border goes on, or zero begins.
    """
    border = cv2.BORDER_CONSTANT if zero_outside else cv2.BORDER_REPLICATE
    interpolation = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    return cv2.remap(image, at.astype(np.float32, copy=False), None, interpolation, borderMode=border)  # type: ignore[call-overload]


def thin_plate(controls: np.ndarray, queries: np.ndarray, smoothing: float) -> np.ndarray:
    """(q, n) matrix from values at (n, 2) controls to the smoothest surface through them at (q, 2) queries.

    `smoothing` lets the surface miss noisy controls: 0 passes through all of them.
    """
    middle, size = controls.mean(0), np.abs(controls - controls.mean(0)).max()
    a, b = ((p.astype(np.float64) - middle) / size for p in (controls, queries))
    n = len(a)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = _plate(a, a) + smoothing * np.eye(n)
    system[:n, n], system[:n, n + 1 :] = 1, a
    system[n:, :n] = system[:n, n:].T
    kernel = np.concatenate([_plate(b, a), np.ones((len(b), 1)), b], axis=1)
    inverse = np.linalg.solve(system, np.eye(n + 3)[:, :n])
    return (kernel.astype(np.float32) @ inverse.astype(np.float32)).astype(np.float32)


def _plate(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    np.maximum(squared, 1e-12, out=squared)
    return squared * np.log(squared) / 2


def smoothstep(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between; `low` may be the larger."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
