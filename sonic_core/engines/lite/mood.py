"""How a face looks while it speaks: a mood, and where the head and the eyes are turned, laid over the motion.

The offsets are added to the rows of motion when they are drawn, so another mood needs no new sampling. Corners of the
mouth rise and fall, brows and lids move; how far the lips are apart stays what the speech says, so closures close.
"""

from __future__ import annotations

import numpy as np

from sonic_core.engines.lite.layout import (
    BROWS,
    CHANNELS,
    CORNERS,
    DRAWN_CHANNELS,
    GAZE,
    HEAD_ROTATION,
    LIDS,
    MOUTH,
    PRESS,
)
from sonic_core.settings import Settings

# Corners of the mouth, brows raised and lowered, lids, pitch in degrees, and the mouth's first coefficient.
MOODS = {
    "neutral": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "happy": (0.9, 0.15, 0.0, 0.10, -0.5, 0.0),
    "serious": (-0.25, 0.0, 0.55, 0.05, 1.0, 0.0),
    "sad": (-0.8, 0.75, 0.0, 0.22, 3.0, 0.0),
    "surprised": (0.15, 1.0, 0.0, 0.0, -1.5, 0.5),
}


def posed(rows: np.ndarray, settings: Settings) -> np.ndarray:
    """Motion (..., 27) as it is drawn (..., 28), see layout.py, with the mood, head and gaze of the settings."""
    corners, raised, lowered, lids, pitch, opening = np.array(MOODS[settings.mood]) * settings.mood_strength
    drawn = np.zeros((*rows.shape[:-1], DRAWN_CHANNELS), np.float32)
    drawn[..., :CHANNELS] = rows
    drawn[..., CORNERS] = corners
    drawn[..., BROWS] += (raised, lowered)
    drawn[..., LIDS] += lids * (1 - drawn[..., LIDS])  # a blink shuts them as ever
    drawn[..., MOUTH.start] += opening * (1 - drawn[..., PRESS])
    drawn[..., HEAD_ROTATION] += (settings.head_yaw, settings.head_pitch + pitch, settings.head_roll)
    drawn[..., GAZE] += (settings.gaze_across, settings.gaze_up)
    return drawn
