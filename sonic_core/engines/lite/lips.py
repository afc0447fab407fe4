"""The edges of both lips in one frame: what lies above, between and below them."""

from __future__ import annotations

import numpy as np

from sonic_core.engines.lite.warp import along, smoothstep

PLACES = 64  # along the mouth at which the edges' heights are known
ROUNDED = 0.25  # of the mouth's width over which edges that end apart are brought together


class Lips:
    """Two contours (m, 2), px in the frame, left to right; `down` is the face's downward direction."""

    def __init__(self, upper: np.ndarray, lower: np.ndarray, down: np.ndarray, touch: float):
        """`touch`: px that lips may be apart and still count as closed."""
        self.upper, self.lower = upper, lower
        self.down, self.across = down, np.array([down[1], -down[0]], np.float32)
        # Edges as heights over the line across the mouth, at common places along it.
        sideways = [contour @ self.across for contour in (upper, lower)]
        self.left, self.right = min(a[0] for a in sideways), max(a[-1] for a in sideways)
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

    def is_above(self, pixels: np.ndarray) -> np.ndarray:
        """(h, w) 1 above the line between the lips, 0 below: sharp between the corners, ever softer beyond them."""
        sideways, height = along(pixels, self.across), along(pixels, self.down)
        middle = np.interp(sideways, self.places, (self.upper_height + self.lower_height) / 2)
        beyond = np.maximum(np.maximum(self.left - sideways, sideways - self.right), 0)
        return smoothstep(middle - height, -0.5 - beyond, 0.5 + beyond).astype(np.float32)

    def distances(self, pixels: np.ndarray) -> tuple[np.ndarray, ...]:
        """Each (h, w): px below the upper lip's edge, px above the lower one's, the opening there, and a weight that
        is 1 between the corners and 0 beyond them."""
        sideways, height = along(pixels, self.across), along(pixels, self.down)
        above = height - np.interp(sideways, self.places, self.upper_height)
        below = np.interp(sideways, self.places, self.lower_height) - height
        gap = np.interp(sideways, self.places, self.gap, left=0, right=0)
        inside = np.minimum(sideways - self.left, self.right - sideways) / (self.right - self.left)
        between = smoothstep(inside, 0.0, 0.15)
        return tuple(value.astype(np.float32) for value in (above, below, gap, between))
