"""Measures by how much the lips come after (or before) the sound.

Two tracks are compared. One is the lip opening that the speech implies, as the lite engine's ears predict it without
seeing the frames. The other is the shape of the lips in the frames: the gap and the height over both lips, in the mix
that explains the opening best, since the gap alone is hard to see in small pictures and under moustaches. The shift at
which the two agree best is the offset; the confidence says how unlikely that agreement would be by chance.
`finish.lip_align` corrects the offset.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import betainc

from sonic_core.clip import Audio, Clip
from sonic_core.engines.lite.layout import FPS, MOUTH, WEIGHTS, MouthBasis
from sonic_core.errors import InputError
from sonic_core.face.tracker import FaceTracker, Tracker, face_height, lip_shape
from sonic_core.media.audio import speech_waveform
from sonic_core.media.level import QUIET

RATE = 100  # Hz at which the two tracks are compared
FARTHEST = 0.6  # seconds; the largest offset that is looked for, either way
SLOW = 0.8  # seconds; slower changes (posture, loudness of a sentence) are removed from both tracks
SHORTEST = 1.0  # seconds of usable track
TRUSTED = 0.995  # least confidence at which an offset is corrected; see `benchmarks/aligning.py`
CAUTION = 0.05  # lip shapes are assumed to vary by this much more, so that the mix does not fit accidents
STILL_SPEECH, STILL_LIPS = 0.0025, 0.002  # standard deviation, in face heights, of openings without speech
LEAST_FACES = 0.5  # share of frames in which a face must be seen

# Mono 16 kHz speech (samples,) and a number of 25 fps frames -> how far the lips should be open in each (frames,)
Listener = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Alignment:
    """`offset`: seconds by which the lips come after the sound (negative: before). `confidence`: 0 to 1, the chance
    that this is no accident. `correlation`: of lips and speech at that offset. `faces`: share of frames with a face."""

    offset: float
    confidence: float
    correlation: float
    faces: float

    @property
    def trusted(self) -> bool:
        return self.confidence >= TRUSTED


def measure(
    clip: Clip, new_tracker: Callable[[], Tracker] = FaceTracker, listener: Listener | None = None
) -> Alignment:
    """The offset of a clip with sound. Raises InputError when it has none."""
    if clip.audio is None:
        raise InputError("the video has no sound to align the lips with; give one that has")
    return compare(lip_shapes(clip, new_tracker()), clip.audio, float(clip.fps), listener or speech_opening)


def compare(shapes: np.ndarray, audio: Audio, fps: float, listener: Listener) -> Alignment:
    """The offset between measured lip shapes (n, 2) at `fps`, NaN where there was no face, and the sound."""
    faces = float(np.isfinite(shapes).all(1).mean())
    sound = audio.mono()
    if faces < LEAST_FACES or len(sound) == 0 or np.sqrt(np.mean(sound**2)) < QUIET:
        return Alignment(0.0, 0.0, 0.0, faces)
    speech = np.asarray(speech_waveform(audio, 16000))
    expected = listener(speech, max(1, math.ceil(len(speech) / 16000 * FPS)))
    return match(shapes, fps, expected, faces)


def lip_shapes(clip: Clip, tracker: Tracker) -> np.ndarray:
    """(n, 2) gap and height of the lips as shares of the face's height; NaN where there is no face."""
    shapes, heights = [], []
    for picture in clip.pictures():
        landmarks = tracker(picture)
        shapes.append(np.full(2, math.nan) if landmarks is None else lip_shape(landmarks))
        heights.append(math.nan if landmarks is None else face_height(landmarks))
    if not np.isfinite(heights).any():
        return np.full((len(shapes), 2), math.nan)
    return np.stack(shapes) / np.nanmedian(heights)  # one height for all: the chin moves with the mouth


@lru_cache(maxsize=1)
def _ears():
    from sonic_core.engines.lite.ears import Ears

    return Ears.from_folder(WEIGHTS)


def speech_opening(speech: np.ndarray, frames: int) -> np.ndarray:
    """(frames,) the lip opening that speech implies, as a share of the face's height: what lite's ears make of it."""
    return MouthBasis.load().openings(_ears().articulate(speech, frames)[:, MOUTH])


def match(seen: np.ndarray, seen_fps: float, expected: np.ndarray, faces: float = 1.0) -> Alignment:
    """The shift at which lips `seen` (n, c; the gap first) agree best with the opening `expected` (m,) at 25 fps."""
    known = np.isfinite(seen).all(1)
    end = min((len(seen) - 1) / seen_fps, (len(expected) - 1) / FPS)
    if end < SHORTEST or known.sum() < 2:
        return Alignment(0.0, 0.0, 0.0, faces)
    times = np.arange(0, end, 1 / RATE)
    # A frame shows the middle of its interval, and so does a row of the model: both start half a frame in.
    when = (np.flatnonzero(known) + 0.5) / seen_fps
    a = np.stack([without_slow(np.interp(times, when, column)) for column in seen[known].T], -1)
    b = without_slow(np.interp(times, (np.arange(len(expected)) + 0.5) / FPS, expected))
    if min(a[:, 0].std(), b.std()) < 1e-6:
        return Alignment(0.0, 0.0, 0.0, faces)
    lags = np.arange(-round(FARTHEST * RATE), round(FARTHEST * RATE) + 1)
    curve = np.array([agreement(*overlap(a, b, int(lag)))[0] for lag in lags])
    best = int(curve.argmax())
    correlation = float(curve[best])
    if not 0 < best < len(lags) - 1:
        return Alignment(float(lags[best] / RATE), 0.0, correlation, faces)
    offset = (lags[best] + vertex(curve[best - 1 : best + 2])) / RATE
    mixed = a @ agreement(*overlap(a, b, int(lags[best])))[1]
    confidence = significance(correlation, mixed, b, a.shape[1])
    confidence *= lively(a[:, 0], STILL_LIPS) * lively(b, STILL_SPEECH)
    return Alignment(float(offset), confidence, correlation, faces)


def lively(track: np.ndarray, still: float) -> float:
    """Near 1 for a track that moves as in speech, 0 for one at rest (music moves the expected lips a little)."""
    return 1 / (1 + (still / max(float(track.std()), 1e-9)) ** 8)


def without_slow(track: np.ndarray) -> np.ndarray:
    """The track minus its running mean over SLOW seconds."""
    half = round(SLOW * RATE / 2)
    window = np.hanning(2 * half + 3)[1:-1]
    weights = np.convolve(np.ones_like(track), window, "same") if len(track) >= len(window) else None
    if weights is None:
        return track - track.mean()
    return track - np.convolve(track, window, "same") / weights


def overlap(seen: np.ndarray, expected: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """seen[t + lag] and expected[t] where both exist."""
    return (seen[lag:], expected[: len(expected) - lag]) if lag >= 0 else (seen[:lag], expected[-lag:])


def agreement(seen: np.ndarray, expected: np.ndarray) -> tuple[float, np.ndarray]:
    """The correlation of expected (t,) with the mix of what is seen (t, c) that explains it best, and the mix (c,).

    0 where the gap, the first column, moves the wrong way: lips that close for open sounds explain nothing.
    """
    a, b = seen - seen.mean(0), expected - expected.mean()
    spread = a.T @ a / len(a)
    spread += np.diag(CAUTION * np.diag(spread) + 1e-12)
    shared = a.T @ b / len(a)
    mix = np.linalg.solve(spread, shared)
    if shared[0] <= 0:
        return 0.0, mix
    return math.sqrt(max(float(mix @ shared), 0.0) / max(float(b @ b) / len(b), 1e-12)), mix


def vertex(three: np.ndarray) -> float:
    """Where the parabola through the values at -1, 0 and 1 peaks, in [-0.5, 0.5]; the middle value is the highest."""
    bend = three[0] - 2 * three[1] + three[2]
    return 0.0 if bend >= 0 else float(0.5 * (three[0] - three[2]) / bend)


def significance(peak: float, seen: np.ndarray, expected: np.ndarray, mixed: int = 1) -> float:
    """The probability that unrelated tracks would stay below the highest of all correlations that were tried.

    Neighbouring samples are alike, so the number of independent ones is Bartlett's estimate: n / (1 + 2 sum ra rb).
    The F test accounts for what `mixed` shapes explain by chance.
    """
    shared = float((autocorrelation(seen) * autocorrelation(expected))[1:].sum())
    independent = max(4.0, len(seen) / max(1.0, 1 + 2 * shared))
    left = max(independent - mixed - 1, 1.0)
    ratio = (peak**2 / mixed) / (max(1 - peak**2, 1e-6) / left)
    below = float(betainc(mixed / 2, left / 2, mixed * ratio / (mixed * ratio + left)))  # of the F distribution
    tries = max(1.0, 2 * FARTHEST * RATE * independent / len(seen))
    return below**tries


def autocorrelation(track: np.ndarray) -> np.ndarray:
    """(n,) autocorrelation of a track (n,) after its mean is taken off, by FFT; 1 at lag 0."""
    centred = track - track.mean()
    spectrum = np.abs(np.fft.rfft(centred, 2 * len(centred))) ** 2
    raw = np.fft.irfft(spectrum)[: len(centred)]
    return raw / raw[0]
