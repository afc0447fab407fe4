"""What people do while somebody else talks: they look there now and then, and nod when a phrase ends.

Works on rows of the lite engine's motion (see its layout.py). The motion's own blinks and small movements stay; the
mouth rests because the listener's own sound is silent.
"""

from __future__ import annotations

import numpy as np

from sonic_core.engines.lite.layout import FPS, GAZE, HEAD_ROTATION

LOOK, AWAY = (1.0, 2.6), (0.8, 2.2)  # seconds of a look at the speaker, and of one elsewhere: shortest and longest
GAZE_TURN, HEAD_TURN = 0.55, 4.0  # of the eyes (layout units) and the head (degrees) towards a speaker at one's side
QUICK, SLOW = 0.12, 0.5  # seconds in which the eyes and the head get there
NOD_DEGREES, NOD_SECONDS = 3.0, 0.55
NOD_CHANCE = 0.6  # that the end of a phrase brings a nod
REACTION = 0.25  # seconds from the end of a phrase to the nod


def listen(motion: np.ndarray, own: np.ndarray, other: np.ndarray, direction: float, seed: int) -> np.ndarray:
    """Motion rows (n, channels) at 25 fps of somebody who listens whenever `other` and not `own` is true.

    own, other: (n,) bool, who speaks; direction: -1 the speaker sits on the viewer's left, 1 on the right, or between.
    """
    rng = np.random.default_rng(seed)
    listens = other & ~own
    looks = listens & _alternating(len(motion), rng)
    turned = motion.copy()
    turned[:, GAZE.start] += GAZE_TURN * direction * _eased(looks, QUICK)
    turned[:, HEAD_ROTATION.start] += HEAD_TURN * direction * _eased(listens, SLOW)
    for end in np.flatnonzero(other[:-1] & ~other[1:]):
        if rng.random() < NOD_CHANCE and not own[end]:
            _nod(turned, int(end) + round(REACTION * FPS))
    return turned


def _alternating(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count,) bool: looks at the speaker and looks elsewhere, in turn, of random lengths."""
    looks = np.zeros(count, bool)
    position, looking = 0, True
    while position < count:
        length = max(1, round(rng.uniform(*(LOOK if looking else AWAY)) * FPS))
        looks[position : position + length] = looking
        position, looking = position + length, not looking
    return looks


def _eased(on: np.ndarray, seconds: float) -> np.ndarray:
    """(n,) 0 to 1: the switch `on` with soft edges of `seconds`."""
    width = 2 * max(1, round(seconds * FPS / 2)) + 1
    window = np.hanning(width + 2)[1:-1]
    padded = np.pad(on.astype(np.float32), width // 2, mode="edge")
    return np.convolve(padded, window / window.sum(), "valid").astype(np.float32)


def _nod(motion: np.ndarray, start: int) -> None:
    length = round(NOD_SECONDS * FPS)
    curve = NOD_DEGREES * np.hanning(length + 2)[1:-1].astype(np.float32)
    part = motion[start : start + length, HEAD_ROTATION.start + 1]  # pitch: + is down
    part += curve[: len(part)]
