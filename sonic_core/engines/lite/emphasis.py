"""Nods, brows and blinks where speakers put them: on stressed syllables and at the ends of phrases.

The recordings that taught the head to move come with loudness instead of sound, so the diffusion knows when somebody
speaks but not which syllable is stressed. Here a syllable is stressed when it is louder than its neighbours or higher
than the speaker's usual pitch, and a phrase ends where the voice pauses for a quarter of a second. About half of the
stresses get a nod and a third a raised brow. Seed and frame number decide which, so a clip cut into pieces moves as the
whole clip does.
"""

from __future__ import annotations

import numpy as np

from sonic_core.engines.lite import layout

AROUND = 8  # frames to either side with which a frame is compared
STRESSED, ABOVE = 0.75, 0.12  # least prominence of a stressed syllable, absolute and above the lowest frame around it
VOICED, PAUSE = 0.45, 7  # least loudness of a voice; frames without a voice that end a phrase
USUAL = 50  # frames to either side whose median is the speaker's usual pitch
RISE, HIGHEST_RISE = 0.06, 5.0  # prominence per semitone above the usual pitch, and the most semitones that count
NOD, BROW = 1.6, 0.28  # degrees, and units of the brow, at full stress
NODS, BROWS, BLINKS = 0.5, 0.35, 0.5  # shares of the events that get a gesture
BEFORE, AFTER = 6, 8  # frames a gesture reaches before and after its event
LATEST_BLINK = 6  # frames after the end of a phrase
# The head goes down on the syllable and overshoots on its way back; brows rise earlier and stay a moment longer.
_TIME = np.arange(-BEFORE, AFTER + 1, dtype=np.float32)
NOD_SHAPE = np.exp(-((_TIME / 2.6) ** 2)) - 0.35 * np.exp(-(((_TIME - 5.5) / 2.2) ** 2))
BROW_SHAPE = np.exp(-(((_TIME + 0.5) / 3.2) ** 2))
BLINK_SHAPE = np.array([0.4, 1, 1, 0.6, 0.2], np.float32)
LIDS = slice(layout.LIDS.start - layout.LIFE.start, layout.LIDS.stop - layout.LIFE.start)


def accents(pitch: np.ndarray) -> np.ndarray:
    """Pitch (n,) in hertz, 0 without a voice -> (n,) what the pitch adds to the prominence of each frame."""
    out = np.zeros(len(pitch), np.float32)
    for frame in np.flatnonzero(pitch):
        out[frame] = accent(pitch[frame], pitch[max(0, frame - USUAL) : frame + USUAL + 1])
    return out


def accent(pitch: float, around: np.ndarray) -> float:
    """What a voice at `pitch` hertz adds to the prominence of its frame, given the pitches (m,) around it."""
    semitones = 12 * np.log2(pitch / np.median(around[around > 0]))
    return RISE * float(np.clip(semitones, 0, HIGHEST_RISE))


def events(loud: np.ndarray, accent: np.ndarray | None = None) -> np.ndarray:
    """Loudness (n,), 0 silent to 1 loud, and `accents` (n,) -> (n, 2): stress of the syllable that peaks in a frame,
    and 1 where a phrase ends."""
    n = len(loud)
    out = np.zeros((n, 2), np.float32)
    smooth = _smoothed(loud)
    prominence = smooth if accent is None else smooth + _smoothed(accent)
    for frame in range(n):
        near = prominence[max(0, frame - AROUND) : frame + AROUND + 1]
        value = prominence[frame]
        if value >= STRESSED and value == near.max() and value - near.min() >= ABOVE:
            out[frame, 0] = min(1.0, (value - near.min()) / 0.5)
    voiced = smooth > VOICED
    for frame in (int(k) + 1 for k in np.flatnonzero(voiced[:-1] & ~voiced[1:])):
        out[frame, 1] = not voiced[frame : frame + PAUSE].any()
    return out


def gestures(events: np.ndarray, first: int, seed: int) -> np.ndarray:
    """(n, 12) to add to the life channels for events (n, 2) of the frames from `first` on; lids may pass 1 together."""
    life = np.zeros((BEFORE + len(events) + AFTER + LATEST_BLINK, layout.LIFE.stop - layout.LIFE.start), np.float32)
    for at in np.flatnonzero(events.any(1)):
        _add(life[at:], gesture(events[at], first + int(at), seed))
    return life[BEFORE : BEFORE + len(events)]


def gesture(event: np.ndarray, frame: int, seed: int) -> np.ndarray:
    """The gesture for one event (2,) of a frame: (BEFORE + 1 + AFTER + LATEST_BLINK, 12), starting BEFORE it."""
    nod, brow, blink, size = np.random.default_rng([seed, frame]).random(4)
    stress, end = event
    life = np.zeros((BEFORE + 1 + AFTER + LATEST_BLINK, layout.CHANNELS), np.float32)
    span = slice(0, BEFORE + AFTER + 1)
    if stress and nod < NODS:
        life[span, layout.HEAD_ROTATION.start + 1] = NOD * stress * (0.6 + 0.8 * size) * NOD_SHAPE
    if stress and brow < BROWS:
        life[span, layout.BROWS.start] = BROW * stress * (0.5 + size) * BROW_SHAPE
    if end and blink < BLINKS:
        start = BEFORE + int(LATEST_BLINK * size)
        life[start : start + len(BLINK_SHAPE), layout.LIDS] = BLINK_SHAPE[:, None]
    return life[:, layout.LIFE]


class LiveEmphasis:
    """Gestures of a voice that is still speaking: each begins once its event is known, not BEFORE it.

    A nod follows its stress by two frames, a blink the last word by a pause.
    """

    # A frame is the most prominent once the next two are known to be less so; a phrase has ended after PAUSE.
    WAITS = (2, PAUSE)
    LOOKED_AT = AROUND + 8  # frames that an event of this age depends on

    def __init__(self, seed: int):
        self.seed = seed
        self.pitch = np.zeros(0, np.float32)  # of the last USUAL frames
        self.loud, self.accents = np.zeros(0, np.float32), np.zeros(0, np.float32)  # of the last LOOKED_AT frames
        self.heard = 0  # frames in all
        self.coming = np.zeros((BEFORE + 1 + AFTER + LATEST_BLINK, 12), np.float32)

    def next(self, loud: float, pitch: float) -> np.ndarray:
        """Hear the newest frame (`pitch` in hertz, 0 without a voice) -> (12,) to add to the next row shown."""
        self.pitch = np.append(self.pitch, np.float32(pitch))[-USUAL:]
        rise = accent(pitch, self.pitch) if pitch else 0.0
        self.loud = np.append(self.loud, np.float32(loud))[-self.LOOKED_AT :]
        self.accents = np.append(self.accents, np.float32(rise))[-self.LOOKED_AT :]
        self.heard += 1
        found = events(self.loud, self.accents)
        for column, wait in enumerate(self.WAITS):
            if len(found) > wait and found[-1 - wait, column]:
                event = np.zeros(2, np.float32)
                event[column] = found[-1 - wait, column]
                made = gesture(event, self.heard - 1 - wait, self.seed)
                _add(self.coming, made if column == 0 else made[BEFORE:])
        now, self.coming = self.coming[0], np.append(self.coming[1:], np.zeros((1, 12), np.float32), 0)
        return now


def _add(life: np.ndarray, gesture: np.ndarray) -> None:
    """Add a gesture to the first rows of `life`; where two blinks overlap, the more shut one counts."""
    rows = life[: len(gesture)]
    gesture = gesture[: len(rows)]
    lids = np.maximum(rows[:, LIDS], gesture[:, LIDS])
    rows += gesture
    rows[:, LIDS] = lids


def _smoothed(values: np.ndarray) -> np.ndarray:
    return np.convolve(np.pad(values, 2, "edge"), np.ones(5, np.float32) / 5, "valid")
