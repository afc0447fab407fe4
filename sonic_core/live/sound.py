"""Takes sound in pieces of any size and rate and gives it out one video frame at a time.

Everything inside is mono at 48 kHz, which suits Opus and AAC; the ears get 16 kHz. After the queue has run empty it
waits until a little sound has gathered, so that a stuttering network is heard as one short pause and not as a crackle.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import soxr
from scipy.signal import firwin, lfilter

from sonic_core.engines.base import SPEECH_RATE
from sonic_core.errors import InputError

RATE = 48_000
FPS = 25
FRAME = RATE // FPS  # samples in one video frame
GATHERED = RATE * 6 // 100  # samples that must wait before a silent queue begins to speak
PATIENCE = 3  # calls after which the queue speaks even though less has gathered
FADE = RATE // 200  # samples over which sound fades in where it begins and out where it breaks off
MAX_QUEUED = 300 * RATE
LOWEST_RATE, HIGHEST_RATE = 8000, 192_000


class SoundQueue:
    """Takes pieces and gives out frames of FRAME samples, silent ones where nothing waits."""

    def __init__(self, backlog: float | None = None):
        """Sound that waits longer than `backlog` seconds is dropped, as a microphone needs; None keeps everything."""
        self.limit(backlog)
        self.speaking = False
        self.dropped = 0  # samples
        self._parts: deque[np.ndarray] = deque()
        self._waiting, self._patience = 0, PATIENCE
        self._ended = False
        self._rate = RATE
        self._resampler: Any = None

    @property
    def waiting(self) -> int:
        """How many samples wait in the queue."""
        return self._waiting

    def limit(self, backlog: float | None) -> None:
        """Set the backlog, in seconds."""
        self.backlog = None if backlog is None else round(backlog * RATE)

    def push(self, samples: np.ndarray, rate: int) -> None:
        """Append mono float samples (n,) in [-1, 1] at `rate` Hz. Raises InputError for bad samples or too many."""
        part = self._resampled(checked(samples, rate), rate)
        if self._waiting + len(part) > MAX_QUEUED:
            raise InputError(f"more than {MAX_QUEUED // RATE} s of sound wait to be spoken; send it more slowly")
        if len(part):
            self._parts.append(part)
            self._waiting += len(part)
            self._ended = False

    def end(self) -> None:
        """Say that nothing follows for now, so that what waits is given out without waiting for more."""
        if self._resampler is not None:
            rest = self._resampler.resample_chunk(np.zeros(0, np.float32), last=True)
            self._parts.append(rest)
            self._waiting += len(rest)
            self._resampler = None
        self._ended = True

    def clear(self) -> None:
        """Forget everything that waits."""
        self._parts.clear()
        self._waiting, self.speaking, self._resampler, self._rate = 0, False, None, RATE

    def take(self, frames: int = 1) -> np.ndarray:
        """Remove and return the next frames: float32 (frames, FRAME)."""
        count = frames * FRAME
        if self.backlog is not None and self._waiting > self.backlog + count:
            surplus = self._waiting - GATHERED - count
            self._cut(surplus)
            self.dropped += surplus
        sound = np.zeros(count, np.float32)
        if not self.speaking and not self._begins(count):
            return sound.reshape(frames, FRAME)
        begins, self.speaking, self._patience = not self.speaking, True, PATIENCE
        part = self._cut(count)
        sound[: len(part)] = part
        if begins:
            sound[:FADE] *= ramp()
        if len(part) < count:  # the queue has run dry
            self.speaking = False
            end = min(FADE, len(part))
            sound[len(part) - end : len(part)] *= ramp()[::-1][FADE - end :]
        return sound.reshape(frames, FRAME)

    def _begins(self, count: int) -> bool:
        """Whether `count` samples and a little more have gathered, or the queue has waited long enough."""
        if self._waiting >= GATHERED + count or (self._ended and self._waiting):
            return True
        self._patience = self._patience - 1 if self._waiting else PATIENCE
        return self._patience < 0

    def _cut(self, count: int) -> np.ndarray:
        taken, missing = [], count
        while missing and self._parts:
            part = self._parts.popleft()
            if len(part) > missing:
                self._parts.appendleft(part[missing:])
                part = part[:missing]
            taken.append(part)
            missing -= len(part)
        self._waiting -= count - missing
        return np.concatenate(taken) if taken else np.zeros(0, np.float32)

    def _resampled(self, samples: np.ndarray, rate: int) -> np.ndarray:
        if rate != self._rate:
            self._rate = rate
            self._resampler = None
            if rate != RATE:
                self._resampler = soxr.ResampleStream(rate, RATE, 1, dtype="float32", quality="MQ")
        return samples if self._resampler is None else self._resampler.resample_chunk(samples)


def checked(samples: np.ndarray, rate: int) -> np.ndarray:
    """Return the samples as float32 (n,), clipped to [-1, 1]. Raises InputError for a bad rate, shape or value."""
    check_rate(rate)
    array = np.asarray(samples, np.float32)
    if array.ndim != 1:
        raise InputError(f"live sound has the shape {array.shape}; give mono samples (n,)")
    if not np.isfinite(array).all():
        raise InputError("live sound holds values that are not numbers; give samples in [-1, 1]")
    return array.clip(-1, 1)


def check_rate(rate: Any) -> None:
    """Raise InputError for a rate that is not a whole number of Hz in the range."""
    if isinstance(rate, bool) or not isinstance(rate, int) or not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise InputError(f"the sound's rate is {rate!r:.40}; give whole Hz from {LOWEST_RATE} to {HIGHEST_RATE}")


def ramp() -> np.ndarray:
    """Return a fade-in, float32 (FADE,), from 0 to 1."""
    return np.linspace(0, 1, FADE, dtype=np.float32)


class ToSpeech:
    """Resamples 48 kHz to the 16 kHz of the ears frame by frame: FRAME samples in, a third of them out, 0.6 ms late."""

    STEP = RATE // SPEECH_RATE

    def __init__(self) -> None:
        self._taps = firwin(61, 7200, fs=RATE).astype(np.float32)
        self._state = np.zeros(len(self._taps) - 1, np.float32)

    def __call__(self, sound: np.ndarray) -> np.ndarray:
        filtered, self._state = lfilter(self._taps, 1.0, sound, zi=self._state)
        return filtered[:: self.STEP].astype(np.float32)
