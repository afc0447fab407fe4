"""What each channel of expression moves, landmark by landmark: closing the photo's mouth, the mouth basis, brows,
corners of the mouth, rolled lips, and pairs of facing points on the lips.

`expression.py` spreads these movements over the picture.
"""

from __future__ import annotations

import numpy as np

from sonic_core.engines.lite.landmarks import LEFT_BROW, LOWER_INNER, LOWER_LIP, RIGHT_BROW, UPPER_INNER, UPPER_LIP
from sonic_core.engines.lite.layout import MOUTH_CHANNELS, MouthBasis
from sonic_core.engines.lite.pose import FaceFit
from sonic_core.engines.lite.warp import smoothstep
from sonic_core.face.points import CHIN

PAIRS = 9  # of facing points between the corners of the mouth
# How much of a movement of the inner edge each ring of the lip follows, from the outline inwards.
RING_SHARE = np.array([0.55, 0.7, 0.85, 1.0], np.float32)
# The same for closing an open mouth: a smile's lips are thin, and stay so.
CLOSING_SHARE = np.array([0.82, 0.88, 0.94, 1.0], np.float32)
UPPER_SHARE = 0.45  # of closing an open mouth is done by the upper lip
SMILE = 0.06  # opening (share of face height) that a smile makes without lowering the jaw
# The share of a toothy smile's extra width, and of the lift of its corners, that speech relaxes.
RELAXED = 0.45
CORNER_RISE, CORNER_OUT = 0.13, 0.6  # canonical units that a full smile lifts a corner, and the share of it outwards
CORNER_REACH = 0.33  # canonical units: how far round a corner the cheek follows it
ROLLED = 0.3  # share of a lip's thickness that rolls in when it is pressed
CHIN_SHARE = 0.5  # of any further opening, which the chin does
# Canonical heights over which movement fades out above and below glasses; between them nothing moves.
GLASSES_ABOVE, GLASSES_BELOW = (-0.4, -0.18), (1.0, 0.78)
BROW_RAISE, BROW_LOWER = 0.10, 0.05  # canonical units at strength one


def make_modes(
    fit: FaceFit, basis: MouthBasis, points: np.ndarray, face_height: float, glasses: bool = False
) -> np.ndarray:
    """(modes, 478, 2) px: closing the photo's mouth, mouth basis, brows, corners, rolled lips, pairs of lip points.

    What lies behind `glasses` stays still, as they would bend with it.
    """
    down = fit.down
    modes = np.zeros((1 + MOUTH_CHANNELS + 2 + 1 + 2 + PAIRS, 478, 2), np.float32)
    gap = np.maximum((points[LOWER_INNER] - points[UPPER_INNER]) @ down, 0)
    for share, ring in zip(CLOSING_SHARE, UPPER_LIP, strict=True):
        modes[0, ring] = (UPPER_SHARE * share * gap)[:, None] * down
    for share, ring in zip(CLOSING_SHARE, LOWER_LIP, strict=True):
        modes[0, ring] = -((1 - UPPER_SHARE) * share * gap)[:, None] * down
    lowered = max(gap.max() - SMILE * face_height, 0) * CHIN_SHARE
    # A point follows the jaw as far as the first component, which opens the mouth, moves it compared with the chin.
    opening = basis.components[0, :, 1] / basis.components[0, CHIN, 1]
    jaw = np.clip(opening, 0, 1) * smoothstep(basis.rest[:, 1], 1.75, 2.0)
    modes[0] -= (lowered * jaw)[:, None] * down
    smile = float(np.clip(gap.max() / (0.03 * face_height), 0, 1))
    modes[0] += RELAXED * smile * _smile(fit, basis.rest, points)

    modes[1 : 1 + MOUTH_CHANNELS] = (basis.components @ fit.axes)[..., :2]

    # Brows take the forehead with them; what is nearer to the eyes than to the brow stays.
    x, y = np.abs(basis.rest[:468, 0]), basis.rest[:468, 1]
    brow = np.concatenate([RIGHT_BROW, LEFT_BROW])
    level = basis.rest[brow, 1].mean()
    near = np.exp(-(((y - level) / 0.30) ** 2)) * smoothstep(y, level + 0.22, level + 0.08) * smoothstep(x, 1.2, 0.8)
    modes[-PAIRS - 5, :468] = -(BROW_RAISE * fit.scale * near * smoothstep(x, 0.9, 0.25))[:, None] * down
    modes[-PAIRS - 4, :468] = (BROW_LOWER * fit.scale * near)[:, None] * down

    # Raised corners go out as they go up, and take the cheeks with them.
    for corner, side in zip(UPPER_LIP[0, [0, -1]], (-1, 1), strict=True):
        near = np.exp(-((basis.rest[:468, :2] - basis.rest[corner, :2]) ** 2).sum(1) / CORNER_REACH**2)
        rise = CORNER_RISE * (fit.axes[0, :2] * (side * CORNER_OUT) - fit.scale * down)
        modes[-PAIRS - 3, :468] += near[:, None] * rise

    # For f and v the lower lip alone rolls in.
    upper_roll, lower_roll = rolled_in(points, down)
    modes[-PAIRS - 2], modes[-PAIRS - 1] = upper_roll + lower_roll, lower_roll

    for pair in range(PAIRS):
        for share, upper, lower in zip(RING_SHARE, UPPER_LIP, LOWER_LIP, strict=True):
            modes[-PAIRS + pair, upper[pair + 1]] = -share / 2 * down
            modes[-PAIRS + pair, lower[pair + 1]] = share / 2 * down
    if glasses:
        height = basis.rest[:, 1]
        behind = smoothstep(height, *GLASSES_ABOVE) * smoothstep(height, *GLASSES_BELOW)
        modes *= (1 - behind).astype(np.float32)[:, None]
    return modes


def rolled_in(points: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(478, 2) px by which the upper and the lower lip roll in when pressed: their red narrows towards the line."""
    rolls = []
    for rings, towards in ((UPPER_LIP, 1), (LOWER_LIP, -1)):
        thickness = np.abs((points[rings[0]] - points[rings[3]]) @ down)
        roll = np.zeros((478, 2), np.float32)
        for k, ring in enumerate(rings[:3]):
            roll[ring] = (towards * ROLLED * (1 - k / 3) * thickness)[:, None] * down
        rolls.append(roll)
    return rolls[0], rolls[1]


def _smile(fit: FaceFit, rest: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(478, 2) px that would take the corners of a smiling mouth to where they are at rest."""
    across, corners = fit.axes[0, :2], UPPER_LIP[0, [0, -1]]
    width = rest[corners[1], 0] - rest[corners[0], 0]
    wider = np.linalg.norm(points[corners[1]] - points[corners[0]]) / np.linalg.norm(across) - width
    lips = np.concatenate([UPPER_INNER[3:8], LOWER_INNER[3:8]])
    lift = (points[lips].mean(0) - points[corners].mean(0)) @ fit.down / fit.scale
    higher = lift - (rest[lips, 1].mean() - rest[corners, 1].mean())
    move = np.zeros((478, 2), np.float32)
    for corner, inwards in zip(corners, (1, -1), strict=True):
        near = np.exp(-((rest[:, :2] - rest[corner, :2]) ** 2).sum(1) / CORNER_REACH**2)
        near[468:] = 0
        move += near[:, None] * (max(wider, 0) / 2 * inwards * across + max(higher, 0) * fit.scale * fit.down)
    return move
