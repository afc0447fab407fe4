"""The picture of a dialogue: two photos set side by side, and one video out of a video for each face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sonic_core.clip import Clip
from sonic_core.face.detect import Face
from sonic_core.face.framing import resize

SHARPNESS = 6.0  # how quickly the picture changes over from one person to the next between them


def side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3): two photos beside each other, the taller one scaled down to the height of the other."""
    height = min(left.shape[0], right.shape[0])
    parts = [
        resize(photo, (max(1, round(photo.shape[1] * height / photo.shape[0])), height)) for photo in (left, right)
    ]
    return np.concatenate(parts, 1)


def shares(faces: Sequence[Face], width: int, height: int) -> np.ndarray:
    """(faces, height, width) float32: the weight of each person's video in a pixel; weights sum to 1.

    Each video moves one head and nothing else, so it is enough that every head and its hair come from their own video.
    """
    y, x = np.mgrid[:height, :width].astype(np.float32)
    distances = []
    for face in faces:
        x1, y1, x2, y2 = face.box
        distances.append(np.hypot((x - (x1 + x2) / 2) / (x2 - x1), (y - (y1 + y2) / 2) / (y2 - y1)))
    nearness = -SHARPNESS * np.stack(distances)
    nearness = np.exp(nearness - nearness.max(0))
    return (nearness / nearness.sum(0)).astype(np.float32)


def composed(clips: Sequence[Clip], faces: Sequence[Face]) -> Clip:
    """One clip in which every face moves as in its own clip; all have the same size, length and rate."""
    first = clips[0]
    weights = shares(faces, first.width, first.height)[..., None]

    def make() -> Iterator[np.ndarray]:
        for frames in zip(*(clip.frames() for clip in clips), strict=True):
            total = weights[0] * frames[0]
            for weight, frame in zip(weights[1:], frames[1:], strict=True):
                total += weight * frame
            yield total[None]

    return first.replaced(make=make)
