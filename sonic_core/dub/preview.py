"""A picture of everybody in a video with their numbers, for choosing who gets which voice."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sonic_core.dub.people import Cast
from sonic_core.media.image import save_image

SIDE = 240  # px of one person's picture
INK, SHADE = (255, 255, 255), (0, 0, 0)


def numbered(cast: Cast, path: Path) -> Path:
    """Write the people of a video side by side, each with the number to call them by."""
    tiles = []
    for number, person in enumerate(cast.people):
        assert person.view is not None
        tile = _square(person.view.picture)
        for colour, thickness in ((SHADE, 6), (INK, 2)):
            cv2.putText(tile, str(number), (10, 44), cv2.FONT_HERSHEY_SIMPLEX, 1.5, colour, thickness, cv2.LINE_AA)
        tiles.append(tile)
    save_image(np.concatenate(tiles, 1), path)
    return path


def _square(picture: np.ndarray) -> np.ndarray:
    """uint8 (SIDE, SIDE, 3) with the whole picture in it."""
    scale = SIDE / max(picture.shape[:2])
    size = max(round(picture.shape[1] * scale), 1), max(round(picture.shape[0] * scale), 1)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    tile = np.zeros((SIDE, SIDE, 3), np.uint8)
    x, y = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
    tile[y : y + size[1], x : x + size[0]] = small
    return tile
