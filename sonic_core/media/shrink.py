"""Shrinks pictures and planes to a half, a quarter or an eighth: each pixel is the mean of those it covers.

A tenth of the work of shrinking to an exact size, and whole pixels stay in place.
"""

from __future__ import annotations

from math import log2

import cv2
import numpy as np


def shrink_for(size: tuple[int, int], short_side: int) -> int:
    """1, 2, 4, 8, ...: by how much to shrink pictures of this size so that their short side comes near `short_side`."""
    return int(2 ** max(0, round(log2(min(size) / short_side))))


def shrunk(picture: np.ndarray, across: int, down: int | None = None) -> np.ndarray:
    """uint8 (h, w) or (h, w, 3), shrunk by powers of two; a last row or column that fills no pixel is left out."""
    down = across if down is None else down
    while across > 1 or down > 1:
        wide, high = min(across, 2), min(down, 2)
        height, width = picture.shape[0] // high, picture.shape[1] // wide
        # Halfway between two pixels, bilinear interpolation is their mean.
        picture = cv2.resize(picture[: height * high, : width * wide], (width, height), interpolation=cv2.INTER_LINEAR)
        across, down = across // wide, down // high
    return picture
