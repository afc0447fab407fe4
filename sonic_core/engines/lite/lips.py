"""The edges of both lips in one frame: what lies above, between and below them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np

from sonic_core.engines.lite.warp import across, along, smoothstep

PLACES = 64  # along the mouth at which the edges' heights are known
# The line between closed lips: its width in face heights, and how much of the red, green and blue light it takes; flesh
# lets more of the red through. A line drawn with these measures near the median of photos (`benchmarks/lip_line.py`).
CREASE_WIDTH, CREASE = 0.016, np.array([0.35, 0.53, 0.51], np.float32)
SOFT = 0.004  # face heights: half the width of the edge of a lip, which is round, before the dark of the mouth
ROUNDED = 0.25  # of the mouth's width over which edges that end apart are brought together


@dataclass(frozen=True)
class LipDistances:
    """How pixels lie to the lips; each (h, w) float32."""

    across: np.ndarray  # 0 at the left corner of the mouth, 1 at the right one
    above: np.ndarray  # px below the upper lip's edge
    below: np.ndarray  # px above the lower lip's edge
    gap: np.ndarray  # px that the mouth is open there
    between: np.ndarray  # 1 between the corners, 0 beyond them
    is_above: np.ndarray  # see `Lips.is_above`

    def opening(self, face_height: float) -> np.ndarray:
        """(h, w) from 0 to 1: how much of each pixel lies between the lips of a face of this height in px.

        Edges are soft where the mouth is wide enough for it, and a pixel wide where it is narrow.
        """
        width = 2 * np.clip(self.gap / 3, 0.5, max(SOFT * face_height, 0.5))
        return (
            np.clip(self.above / width + 0.5, 0, 1) * np.clip(self.below / width + 0.5, 0, 1) * np.clip(self.gap, 0, 1)
        )

    def line(self, face_height: float, strength: float) -> np.ndarray:
        """(h, w, 3) light in [0, 1] that the line between closed lips leaves, in red, green and blue.

        `face_height` in px. At strength 1 it is as dark as in photos.
        """
        line = np.exp(-(((self.above - self.below) / (CREASE_WIDTH * face_height)) ** 2)) * self.between
        return 1 - line[..., None].astype(np.float32) * (strength * CREASE)

    def within(self, box: tuple[slice, slice]) -> LipDistances:
        """The same for the rows and columns of a box."""
        return LipDistances(*(getattr(self, field.name)[box] for field in fields(self)))


class Lips:
    """Two contours (m, 2), px in the frame, left to right; `down` is the face's downward direction."""

    def __init__(self, upper: np.ndarray, lower: np.ndarray, down: np.ndarray, touch: float):
        """`touch`: px that lips may be apart and still count as closed."""
        self.upper, self.lower = upper, lower
        self.down, self.across = down, across(down)
        # Edges as heights over the line across the mouth, at common places along it.
        sideways = [contour @ self.across for contour in (upper, lower)]
        self.left, self.right = float(min(a[0] for a in sideways)), float(max(a[-1] for a in sideways))
        self.places = np.linspace(self.left, self.right, PLACES)
        heights = [
            np.interp(self.places, np.maximum.accumulate(a), contour @ down)
            for a, contour in zip(sideways, (upper, lower), strict=True)
        ]
        # Both edges end in the corners. On the far side of a turned face the fields that carry them may disagree.
        middle, half = (heights[0] + heights[1]) / 2, (heights[1] - heights[0]) / 2
        share = np.linspace(0, 1, PLACES)
        for end, from_end in ((half[0], share), (half[-1], share[::-1])):
            half = half - end * np.square(1 - np.minimum(from_end / ROUNDED, 1))
        self.upper_height, self.lower_height = middle - half, np.maximum(middle - half, middle + half)
        self.gap = np.maximum(self.lower_height - self.upper_height - touch, 0)

    def is_above(self, sideways: np.ndarray, height: np.ndarray) -> np.ndarray:
        """(h, w) float32: 1 above the line between the lips, 0 below, for pixels (h, w) px along `across` and `down`.

        The step is sharp between the corners, and ever softer beyond them.
        """
        return self._is_above(sideways, self._read((self.upper_height + self.lower_height) / 2, sideways) - height)

    def distances(self, pixels: np.ndarray) -> LipDistances:
        """For (h, w, 2) px of the frame."""
        sideways, height = along(pixels, self.across), along(pixels, self.down)
        above = height - self._read(self.upper_height, sideways)
        below = self._read(self.lower_height, sideways) - height
        share = (sideways - self.left) / max(self.right - self.left, 1e-3)
        inside = np.minimum(share, 1 - share)
        gap = self._read(self.gap, sideways) * (inside >= 0)
        is_above = self._is_above(sideways, (below - above) / 2)
        return LipDistances(share, above, below, gap, smoothstep(inside, 0.0, 0.15), is_above)

    def _is_above(self, sideways: np.ndarray, higher: np.ndarray) -> np.ndarray:
        """For pixels `higher` px above the middle between the lips."""
        soft = 0.5 + np.maximum(np.maximum(self.left - sideways, sideways - self.right), 0)
        return smoothstep(higher / soft, -1.0, 1.0)

    def _read(self, heights: np.ndarray, sideways: np.ndarray) -> np.ndarray:
        """(h, w) float32 of (PLACES,) values at places along the mouth; those of the corners beyond them."""
        at = (sideways - np.float32(self.left)) * np.float32((PLACES - 1) / max(self.right - self.left, 1e-3))
        table = heights.astype(np.float32)[None]
        return cv2.remap(table, at, np.zeros_like(at), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
