"""Close-up crops of the lips and the eyes: what speech and blinks move most must be measured best.

Given landmarks that are roughly right, this module aims an upright crop at the mouth and at each eye; small nets read
the lip, lid and iris points there. One net reads both eyes, the left one mirrored. No pictures and no nets here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonic_core.face import points

EYES = (points.RIGHT_EYE, points.LEFT_EYE)
MOUTH = (*points.OUTER_LIPS, *points.INNER_LIPS)
RIGHT = (*points.RIGHT_EYE, *points.RIGHT_IRIS)
# the left eye's points in the order in which they mirror the right one's
LEFT = (*points.LEFT_EYE, 473, 476, 475, 474, 477)


@dataclass(frozen=True)
class Region:
    """Part of a face: its landmarks, and the side of its crop in distances between the eyes."""

    net: str
    points: tuple[int, ...]
    side: float
    mirrored: bool


REGIONS = (
    Region("mouth", MOUTH, 1.4, False),
    Region("eye", RIGHT, 0.75, False),
    Region("eye", LEFT, 0.75, True),
)


def aim(region: Region, landmarks: np.ndarray) -> np.ndarray:
    """The transform (..., 2, 3) from the picture to crop units (-1 to 1), for faces with landmarks (..., 478, 2+).

    Upright by the eyes, centred on the region, mirrored for the left eye: a reflection there, else a similarity.
    """
    right, left = (np.asarray(landmarks[..., list(eye), :2], np.float64).mean(-2) for eye in EYES)
    across = left - right
    unit = 2 * across / (region.side * np.maximum((across**2).sum(-1, keepdims=True), 1.0))
    down = np.stack([-unit[..., 1], unit[..., 0]], -1)
    linear = np.stack([-unit if region.mirrored else unit, down], -2)
    centre = landmarks[..., list(region.points), :2].mean(-2)
    return np.concatenate([linear, -linear @ centre[..., None]], -1)
