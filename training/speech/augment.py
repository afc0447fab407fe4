"""What may happen to a voice on its way to us: size of the speaker, room, microphone, noise, codec, level.

Waveforms are float32 (samples,) at 16 kHz. Only `resample` moves things in time; labels must be moved with it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import fft

RATE = 16000
LOWEST = 30.0  # hertz


def resample(waveform: np.ndarray, factor: float, start: float, samples: int) -> np.ndarray:
    """`samples` samples from `start` (seconds), played `factor` times as fast: pitch, formants and tempo all rise."""
    at = start * RATE + np.arange(samples) * factor
    return np.interp(at, np.arange(len(waveform)), waveform, left=0.0, right=0.0).astype(np.float32)


def equalise(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A smooth random frequency response, and now and then the band of a telephone or a cheap microphone."""
    size = fft.next_fast_len(len(waveform), real=True)
    octaves = _octaves(size)
    knots = np.linspace(0, octaves[-1], 8)
    decibels = np.interp(octaves, knots, rng.normal(0, 4, 8)) + rng.uniform(-2, 2) * (octaves - octaves[-1] / 2)
    if rng.random() < 0.25:
        decibels -= 48 * np.maximum(0, octaves - np.log2(rng.uniform(2800, 7000) / LOWEST))
    if rng.random() < 0.25:
        decibels -= 12 * np.maximum(0, np.log2(rng.uniform(60, 350) / LOWEST) - octaves)
    gain = np.exp(decibels.astype(np.float32) * np.float32(np.log(10) / 20))
    return fft.irfft(fft.rfft(waveform, size) * gain, size)[: len(waveform)]


def room(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Convolution with decaying noise; the direct sound stays first, so nothing moves in time."""
    length = int(RATE * rng.uniform(0.1, 0.5))
    tail = rng.standard_normal(length, np.float32) * np.exp(-6.9 * np.arange(length, dtype=np.float32) / length)
    tail *= rng.uniform(0.1, 0.7) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    size = fft.next_fast_len(len(waveform) + length, real=True)
    return fft.irfft(fft.rfft(waveform, size) * fft.rfft(tail, size), size)[: len(waveform)]


@lru_cache
def _octaves(size: int) -> np.ndarray:
    return np.log2(np.maximum(fft.rfftfreq(size, 1 / RATE), LOWEST) / LOWEST)


@lru_cache
def _noises() -> list[np.ndarray]:
    """Half a minute each of white to brown noise, a third of it humming, unit RMS."""
    rng, out, samples = np.random.default_rng(5), [], 30 * RATE
    frequency = np.maximum(fft.rfftfreq(samples, 1 / RATE), 20)
    for slope in np.linspace(0, 1, 9):
        noise = fft.irfft(fft.rfft(rng.standard_normal(samples)) * frequency**-slope, samples)
        noise /= noise.std()
        if len(out) % 3 == 2:
            hertz = rng.choice([50, 60, 100, 120])
            noise += rng.uniform(0.3, 1.5) * np.sin(2 * np.pi * hertz * np.arange(samples) / RATE)
        out.append((noise / noise.std()).astype(np.float32))
    return out


def coloured_noise(samples: int, rng: np.random.Generator) -> np.ndarray:
    """A stretch of some noise, up to half a minute, about unit RMS."""
    noises = _noises()
    noise = noises[int(rng.integers(len(noises)))]
    start = int(rng.integers(len(noise) - samples))
    return noise[start : start + samples]


def degrade(waveform: np.ndarray, rng: np.random.Generator, others: np.ndarray | None = None) -> np.ndarray:
    """Everything but `resample`, at random, often nothing; `others` is a recording to murmur behind it."""
    if rng.random() < 0.35:
        return waveform
    if rng.random() < 0.7:
        waveform = equalise(waveform, rng)
    if rng.random() < 0.2:
        waveform = room(waveform, rng)
    level = waveform.std() + 1e-5
    if rng.random() < 0.5:
        ratio = 10 ** (-rng.uniform(8, 45) / 20)
        waveform = waveform + coloured_noise(len(waveform), rng) * level * ratio
    if others is not None and rng.random() < 0.15:
        waveform = waveform + others * (level / (others.std() + 1e-5) * 10 ** (-rng.uniform(14, 25) / 20))
    if rng.random() < 0.05:  # eight-bit mu-law, the telephone's codec
        peak = np.abs(waveform).max() + 1e-6
        companded = np.round(np.sign(waveform) * np.log1p(255 * np.abs(waveform) / peak) / np.log(256) * 127) / 127
        waveform = np.sign(companded) * np.expm1(np.abs(companded) * np.log(256)) / 255 * peak
    return waveform.astype(np.float32)


def level(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Unit variance, as the encoder's normalisation gives, more or less: a clip has more or less silence in it."""
    return (waveform * (np.exp(rng.normal(0, 0.35)) / (waveform.std() + 3e-4))).astype(np.float32)
