"""Nods, brows and blinks where speakers put them: on stressed syllables and at the ends of phrases.

The recordings that taught the head to move have no sound, only loudness a frame, so the diffusion knows when somebody
speaks and not which syllable counts. Here stress is the loudness of a syllable over its neighbours', and a phrase ends
where the voice stays away for a quarter of a second. About half of the stresses get a nod and a third a raised brow,
drawn by the seed and the frame, so a clip cut into pieces moves as the whole one does. Knows nothing of the mouth.
"""

from __future__ import annotations

import numpy as np

from sonic_core.engines.lite import layout

AROUND = 8  # frames to either side within which one syllable is the loudest
STRESSED, ABOVE = 0.75, 0.12  # loudness of a stressed syllable, and how far over the quietest frame around it
VOICED, PAUSE = 0.45, 7  # loudness of a voice; frames without it that end a phrase
NOD, BROW = 1.6, 0.28  # degrees, and units of the brow, at full stress
NODS, BROWS, BLINKS = 0.5, 0.35, 0.5  # shares of the events that are answered
BEFORE, AFTER = 6, 8  # frames a gesture reaches before and after its event
# Down on the syllable and back, a little over on the way; brows rise earlier and stay a moment longer.
_TIME = np.arange(-BEFORE, AFTER + 1, dtype=np.float32)
NOD_SHAPE = np.exp(-((_TIME / 2.6) ** 2)) - 0.35 * np.exp(-(((_TIME - 5.5) / 2.2) ** 2))
BROW_SHAPE = np.exp(-(((_TIME + 0.5) / 3.2) ** 2))
BLINK_SHAPE = np.array([0.4, 1, 1, 0.6, 0.2], np.float32)


def events(loud: np.ndarray) -> np.ndarray:
    """Loudness (n,), 0 silent to 1 loud -> (n, 2): stress of the syllable that peaks here, 1 where a phrase ends."""
    n = len(loud)
    out = np.zeros((n, 2), np.float32)
    smooth = np.convolve(np.pad(loud, 2, "edge"), np.ones(5, np.float32) / 5, "valid")
    for frame in range(n):
        near = smooth[max(0, frame - AROUND) : frame + AROUND + 1]
        value = smooth[frame]
        if value >= STRESSED and value == near.max() and value - near.min() >= ABOVE:
            out[frame, 0] = min(1.0, (value - near.min()) / 0.5)
    voiced = smooth > VOICED
    for frame in (int(k) + 1 for k in np.flatnonzero(voiced[:-1] & ~voiced[1:])):
        out[frame, 1] = not voiced[frame : frame + PAUSE].any()
    return out


def gestures(events: np.ndarray, first: int, seed: int) -> np.ndarray:
    """(n, 12) to add to the life channels for events (n, 2) of the frames from `first` on; lids may pass 1 together."""
    n = len(events)
    life = np.zeros((n + BEFORE + AFTER, layout.CHANNELS), np.float32)
    for at in np.flatnonzero(events.any(1)):
        nod, brow, blink, size = np.random.default_rng([seed, first + int(at)]).random(4)
        stress, end = events[at]
        span = slice(at, at + BEFORE + AFTER + 1)
        if stress and nod < NODS:
            life[span, layout.HEAD_ROTATION.start + 1] += NOD * stress * (0.6 + 0.8 * size) * NOD_SHAPE
        if stress and brow < BROWS:
            life[span, layout.BROWS.start] += BROW * stress * (0.5 + size) * BROW_SHAPE
        if end and blink < BLINKS:
            start = at + BEFORE + int(6 * size)
            lids = BLINK_SHAPE[: len(life) - start, None]
            life[start : start + len(lids), layout.LIDS] = np.maximum(
                life[start : start + len(lids), layout.LIDS], lids
            )
    return life[BEFORE : BEFORE + n, layout.LIFE]
