"""One picture over another: text over a frame, a person over a background.

Alpha is straight, not premultiplied: a pixel keeps its full colour however little of it is covered.
"""

from __future__ import annotations

import cv2
import numpy as np

LEAST = 1e-6


def drawn_over(frame: np.ndarray, colour: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """The frame, float32 (h, w, 3) or with alpha (h, w, 4), with a colour (h, w, 1 or 3) over it; cover (h, w, 1)."""
    if frame.shape[2] == 3:
        return frame * (1 - cover) + colour * cover
    under = frame[..., 3:] * (1 - cover)
    alpha = cover + under
    colours = (colour * cover + frame[..., :3] * under) / np.maximum(alpha, LEAST)
    return np.concatenate([colours, alpha], 2, dtype=np.float32)


def laid_over(frame: np.ndarray, background: np.ndarray) -> np.ndarray:
    """A frame with alpha, uint8 (h, w, 4), over a background, uint8 (h, w, 3): uint8 (h, w, 3)."""
    cover = cv2.cvtColor(np.ascontiguousarray(frame[..., 3]), cv2.COLOR_GRAY2RGB)
    person = cv2.multiply(cv2.cvtColor(frame, cv2.COLOR_RGBA2RGB), cover, scale=1 / 255)
    return cv2.add(person, cv2.multiply(background, cv2.bitwise_not(cover), scale=1 / 255))
