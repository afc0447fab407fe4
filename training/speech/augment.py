"""What may happen to a voice on its way to us: size of the speaker, room, microphone, noise, codec, level.

Waveforms are float32 (samples,) at 16 kHz. Only `resample` moves things in time; labels must be moved with it.
"""

from __future__ import annotations

import numpy as np

RATE = 16000


def resample(waveform: np.ndarray, factor: float, start: float, samples: int) -> np.ndarray:
    """`samples` samples from `start` (seconds), played `factor` times as fast: pitch, formants and tempo all rise."""
    at = start * RATE + np.arange(samples) * factor
    return np.interp(at, np.arange(len(waveform)), waveform, left=0.0, right=0.0).astype(np.float32)


def equalise(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A smooth random frequency response, and now and then the band of a telephone or a cheap microphone."""
    spectrum = np.fft.rfft(waveform)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(waveform), 1 / RATE), 30) / 30)
    knots = np.linspace(0, octaves[-1], 8)
    decibels = np.interp(octaves, knots, rng.normal(0, 4, 8)) + rng.uniform(-2, 2) * (octaves - octaves[-1] / 2)
    if rng.random() < 0.25:
        decibels -= 12 * np.maximum(0, octaves - np.log2(rng.uniform(2800, 7000) / 30)) * 4
    if rng.random() < 0.25:
        decibels -= 12 * np.maximum(0, np.log2(rng.uniform(60, 350) / 30) - octaves)
    return np.fft.irfft(spectrum * 10 ** (decibels / 20), len(waveform)).astype(np.float32)


def room(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Convolution with decaying noise; the direct sound stays first, so nothing moves in time."""
    length = int(RATE * rng.uniform(0.1, 0.5))
    tail = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    tail *= rng.uniform(0.1, 0.7) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    size = 1 << (len(waveform) + length).bit_length()
    return np.fft.irfft(np.fft.rfft(waveform, size) * np.fft.rfft(tail, size), size)[: len(waveform)].astype(np.float32)


def coloured_noise(samples: int, rng: np.random.Generator) -> np.ndarray:
    """White to brown noise, some of it humming, unit RMS."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency = np.maximum(np.fft.rfftfreq(samples, 1 / RATE), 20)
    noise = np.fft.irfft(spectrum * frequency ** -rng.uniform(0, 1), samples)
    noise /= noise.std() + 1e-9
    if rng.random() < 0.2:
        hum = np.sin(2 * np.pi * rng.choice([50, 60, 100, 120]) * np.arange(samples) / RATE)
        noise += hum * rng.uniform(0.3, 1.5)
    return (noise / (noise.std() + 1e-9)).astype(np.float32)


def degrade(waveform: np.ndarray, rng: np.random.Generator, others: np.ndarray | None = None) -> np.ndarray:
    """Everything but `resample`, at random; `others` is another recording to murmur in the background."""
    if rng.random() < 0.7:
        waveform = equalise(waveform, rng)
    if rng.random() < 0.3:
        waveform = room(waveform, rng)
    level = waveform.std() + 1e-5
    if rng.random() < 0.6:
        ratio = 10 ** (-rng.uniform(5, 40) / 20)
        waveform = waveform + coloured_noise(len(waveform), rng) * level * ratio
    if others is not None and rng.random() < 0.15:
        waveform = waveform + others * (level / (others.std() + 1e-5) * 10 ** (-rng.uniform(14, 25) / 20))
    if rng.random() < 0.1:  # eight-bit mu-law, the telephone's codec
        peak = np.abs(waveform).max() + 1e-6
        companded = np.round(np.sign(waveform) * np.log1p(255 * np.abs(waveform) / peak) / np.log(256) * 127) / 127
        waveform = np.sign(companded) * np.expm1(np.abs(companded) * np.log(256)) / 255 * peak
    return waveform.astype(np.float32)


def level(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Unit variance, as the encoder's normalisation gives, more or less: a clip has more or less silence in it."""
    return (waveform * (np.exp(rng.normal(0, 0.35)) / (waveform.std() + 3e-4))).astype(np.float32)
