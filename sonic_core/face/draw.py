"""Draw what was found into the photo: the face's box, the crop around it and the landmarks."""

from __future__ import annotations

import cv2
import numpy as np

from sonic_core.face.crop import Box
from sonic_core.face.detect import Face

BOX, CROP, POINTS = (255, 196, 0), (0, 200, 255), (80, 255, 120)  # RGB


def drawn(photo: np.ndarray, face: Face, crop: Box | None = None) -> np.ndarray:
    """uint8 (h, w, 3): a copy of the photo with the box (yellow), the crop (blue) and the landmarks (green)."""
    picture = photo.copy()
    thick = max(1, round(min(photo.shape[:2]) / 256))
    for x, y in np.round(face.landmarks[:, :2]).astype(int).tolist():
        cv2.circle(picture, (x, y), thick, POINTS, -1, cv2.LINE_AA)
    x1, y1, x2, y2 = (round(v) for v in face.box)
    cv2.rectangle(picture, (x1, y1), (x2, y2), BOX, thick, cv2.LINE_AA)
    if crop is not None:
        cv2.rectangle(picture, (crop[0], crop[1]), (crop[2] - 1, crop[3] - 1), CROP, thick + 1, cv2.LINE_AA)
    return picture
