"""How sharp a photo is where it is sharpest, at the eyes, so that what is drawn into it can be made as sharp."""

from __future__ import annotations

import cv2
import numpy as np

from sonic_core.engines.lite.landmarks import LEFT_LOWER_LID, LEFT_UPPER_LID, RIGHT_LOWER_LID, RIGHT_UPPER_LID

BLURS = (0.0, 0.5, 0.8, 1.2, 1.7, 2.4, 3.4, 4.8)  # standard deviations that are tried, px of the photo


def sharpness(grey: np.ndarray) -> float:
    """The root mean square of a picture's gradient over its standard deviation, 1 / px: large for sharp edges.

    `grey` is float32 (h, w). Contrast and brightness do not change it.
    """
    dx, dy = (cv2.Sobel(grey, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    return float(np.sqrt((dx**2 + dy**2).mean()) / max(float(grey.std()), 1e-3))


def eye_sharpness(photo: np.ndarray, points: np.ndarray) -> float:
    """The larger of both eyes', in a photo uint8 RGB with (478, 2) landmarks; 0 where no eye is in the picture."""
    found = [0.0]
    for lids in ((LEFT_UPPER_LID, LEFT_LOWER_LID), (RIGHT_UPPER_LID, RIGHT_LOWER_LID)):
        outline = points[np.concatenate(lids)]
        low = np.maximum(np.floor(outline.min(0)), 0).astype(int)
        high = np.maximum(np.ceil(outline.max(0)), 0).astype(int)
        part = photo[low[1] : high[1], low[0] : high[0]]
        if min(part.shape[:2]) >= 4:
            found.append(sharpness(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY).astype(np.float32)))
    return max(found)


def matching_blur(layer: np.ndarray, wanted: float, density: int) -> float:
    """Standard deviation, in px of the layer, of the blur that makes a layer (h, w, 2) as sharp as `wanted`.

    The layer has `density` px in one of the photo; 0 when it is not sharper anyway.
    """
    if wanted <= 0:
        return 0.0
    covered = np.flatnonzero(layer[..., 1].max(1) > 0.5)
    rows = layer[covered.min() : covered.max() + 1] if len(covered) else layer
    found = [
        density * sharpness(cv2.GaussianBlur(rows[..., 0], (0, 0), density * blur) if blur else rows[..., 0])
        for blur in BLURS
    ]
    return density * float(np.interp(-wanted, -np.array(found), BLURS))
