"""How high a voice is in every video frame: the peak of the normalised autocorrelation.

Source: Boersma 1993, "Accurate short-term analysis of the fundamental frequency", without its path search.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sonic_core.speech.log_mel import SAMPLE_RATE

LOWEST, HIGHEST = 70, 400  # hertz
SPAN = 1024  # samples that one frame looks at
VOICED = 0.45  # least height of the peak
NEAR_BEST = 0.9  # a shorter period whose peak is nearly as high is the true one
BLOCK = 1000  # frames at a time


class Sliceable(Protocol):
    """Samples in memory, or a sound that is read where it is sliced."""

    def __getitem__(self, span: slice, /) -> np.ndarray: ...


def pitch(speech: Sliceable, frames: int, fps: int = 25) -> np.ndarray:
    """Mono float32 (samples,) at 16 kHz -> (frames,) hertz, 0 where there is no voice."""
    blocks = [_pitch(speech, first, min(first + BLOCK, frames), fps) for first in range(0, frames, BLOCK)]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _pitch(speech: Sliceable, first: int, last: int, fps: int) -> np.ndarray:
    hop = SAMPLE_RATE // fps
    start = first * hop + hop // 2 - SPAN // 2
    stop = (last - 1) * hop + hop // 2 + SPAN // 2
    part = np.asarray(speech[max(0, start) : stop], np.float32)
    part = np.pad(part, (max(0, -start), 0))
    part = np.pad(part, (0, max(0, stop - start - len(part))))
    windows = np.lib.stride_tricks.sliding_window_view(part, SPAN)[::hop]
    taper = np.hanning(SPAN).astype(np.float32)
    windows = (windows - windows.mean(1, keepdims=True)) * taper
    shortest, longest = SAMPLE_RATE // HIGHEST, SAMPLE_RATE // LOWEST
    likeness = _autocorrelation(windows)[:, : longest + 1] / _autocorrelation(taper[None])[:, : longest + 1]
    peaks = likeness[:, shortest:].copy()
    inner = (peaks[:, 1:-1] >= peaks[:, :-2]) & (peaks[:, 1:-1] >= peaks[:, 2:])
    peaks[:, 1:-1][~inner] = 0
    peaks[:, [0, -1]] = 0
    best = peaks.max(1)
    period = shortest + (peaks >= NEAR_BEST * best[:, None]).argmax(1)
    return np.where(best >= VOICED, SAMPLE_RATE / period, 0).astype(np.float32)


def _autocorrelation(windows: np.ndarray) -> np.ndarray:
    """(n, SPAN) -> (n, SPAN), 1 at lag 0 unless the window is silent."""
    power = np.abs(np.fft.rfft(windows, 2 * SPAN)) ** 2
    raw = np.fft.irfft(power)[:, :SPAN]
    return raw / (raw[:, :1] + 1e-9)
