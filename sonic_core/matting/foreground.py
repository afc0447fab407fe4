"""The person's own colours where the old background shines through, so that a new one shows no rim of the old.

After "Approximate Fast Foreground Colour Estimation" (Forte 2021): means of the person's and of the background's
colours around each pixel, corrected so that together they give the pixel again; over wide surroundings first, then
over ever smaller ones. Pixels that are wholly one or the other count most in the means.
"""

from __future__ import annotations

import cv2
import numpy as np

REACHES = (0.25, 0.08, 0.02)  # of the passes, as a share of the short side
SURELY = 8  # a colour's weight is this power of alpha
TINY = 1e-7


def foreground(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The person's colours, uint8 (h, w, 3), of a uint8 picture and its alpha (h, w) float32.

    Where nothing of the person shows, the colours of the nearest parts are continued.
    """
    unit = image.astype(np.float32) / 255
    share = alpha[..., None]
    person, behind = unit, unit
    for reach in REACHES:
        size = max(3, round(reach * min(alpha.shape)))
        person, behind = fused(unit, person, behind, share, size)
    return (person.clip(0, 1) * 255 + 0.5).astype(np.uint8)


def fused(
    image: np.ndarray, person: np.ndarray, behind: np.ndarray, share: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Better guesses of the person's and the background's colours, from means over `size` pixels."""
    person = around(person, share**SURELY, size)
    behind = around(behind, (1 - share) ** SURELY, size)
    person = person + share * (image - share * person - (1 - share) * behind)
    return person.clip(0, 1), behind


def around(colours: np.ndarray, weight: np.ndarray, size: int) -> np.ndarray:
    """The weighted mean of the colours (h, w, 3) around each pixel."""
    weight = weight + TINY
    total = cv2.blur(weight[..., 0], (size, size))[..., None]
    return cv2.blur(colours * weight, (size, size)) / np.maximum(total, TINY / 2)
