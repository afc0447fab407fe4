"""Random changes of a voice: the speaker's size and manner, room, microphone, noise, music, telephone, level.

Waveforms are float32 (samples,) at 16 kHz. Only `resample` moves anything in time; labels must be moved with it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import fft, signal

RATE = 16000
LOWEST = 30.0  # hertz


def resample(waveform: np.ndarray, factor: float) -> np.ndarray:
    """The waveform played `factor` times as fast; pitch, formants and tempo all rise."""
    at = np.arange(0, len(waveform) - 1, factor)
    return np.interp(at, np.arange(len(waveform)), waveform).astype(np.float32)


def move_formants(waveform: np.ndarray, factor: float) -> np.ndarray:
    """The spectral envelope stretched by `factor`, pitch and timing kept."""
    spectrum = _spectrum(waveform)
    envelope = _envelope(spectrum)
    bins = np.arange(len(envelope))
    at = np.minimum(bins / factor, len(bins) - 1)
    low = np.floor(at).astype(int)
    high, share = np.minimum(low + 1, len(bins) - 1), (at - low)[:, None]
    moved = envelope[low] * (1 - share) + envelope[high] * share
    return _waveform(spectrum * np.exp(moved - envelope), len(waveform))


def whispered(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same words whispered: noise takes the place of what the vocal folds make."""
    spectrum = _spectrum(waveform)
    noise = _spectrum(rng.standard_normal(len(waveform), np.float32))
    return _waveform(noise * np.exp(_envelope(spectrum) - _envelope(noise)), len(waveform))


def sung(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same words sung on random notes with vibrato; unvoiced sounds stay unvoiced."""
    spectrum = _spectrum(waveform)
    time = np.arange(len(waveform)) / RATE
    every = rng.uniform(0.2, 0.7)  # seconds of a note
    notes = rng.uniform(100, 330) * 2 ** (rng.integers(0, 13, int(time[-1] / every) + 1) / 12)
    hertz = notes[(time / every).astype(int)] * (1 + rng.uniform(0, 0.03) * np.sin(2 * np.pi * 5.5 * time))
    phase = np.cumsum(hertz) / RATE
    pulses = np.diff(np.floor(phase), prepend=0) + 0.003 * rng.standard_normal(len(time))
    tune = _spectrum(pulses.astype(np.float32))
    power = np.abs(spectrum) ** 2
    voiced = power[:48].sum(0) > power[96:].sum(0)  # below 1.5 kHz against above 3 kHz
    return _waveform(np.where(voiced, tune * np.exp(_envelope(spectrum) - _envelope(tune)), spectrum), len(waveform))


def _spectrum(waveform: np.ndarray) -> np.ndarray:
    return signal.stft(waveform, RATE, nperseg=512, noverlap=384)[2]


def _waveform(spectrum: np.ndarray, samples: int) -> np.ndarray:
    out = signal.istft(spectrum, RATE, nperseg=512, noverlap=384)[1]
    return np.pad(out, (0, max(0, samples - len(out))))[:samples].astype(np.float32)


def _envelope(spectrum: np.ndarray) -> np.ndarray:
    """(257, n) logarithm of the part of a spectrum that varies slowly with frequency."""
    cepstrum = fft.irfft(np.log(np.abs(spectrum) + 1e-6), axis=0)
    cepstrum[24:-23] = 0
    return fft.rfft(cepstrum, axis=0).real


def equalise(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A smooth random frequency response, and now and then the band of a telephone or a cheap microphone."""
    size = fft.next_fast_len(len(waveform), real=True)
    octaves = _octaves(size)
    knots = np.linspace(0, octaves[-1], 8)
    decibels = np.interp(octaves, knots, rng.normal(0, 4, 8)) + rng.uniform(-2, 2) * (octaves - octaves[-1] / 2)
    if rng.random() < 0.4:
        decibels -= 60 * np.maximum(0, octaves - np.log2(rng.uniform(2800, 7000) / LOWEST))
    if rng.random() < 0.4:
        decibels -= 18 * np.maximum(0, np.log2(rng.uniform(60, 350) / LOWEST) - octaves)
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


def music(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Random chords, a tune, a bass and drums, without singing; unit RMS."""
    beat = RATE * 60 / rng.uniform(70, 150)
    out = np.zeros(samples + 2 * RATE, np.float32)
    root, scale = (
        rng.uniform(36, 55),
        np.array([0, 2, 3, 5, 7, 8, 10] if rng.random() < 0.5 else [0, 2, 4, 5, 7, 9, 11]),
    )
    harmonics = rng.uniform(0.2, 0.9)
    for part, (octave, every, length, loud) in enumerate([(0, 4, 4, 0.6), (12, 0.5, 0.8, 0.7), (-12, 1, 1, 0.8)]):
        if rng.random() < 0.25:
            continue
        for start in np.arange(0, samples, every * beat).astype(int):
            degrees = rng.choice(7, 3 if part == 0 else 1, replace=False)
            for degree in degrees:
                tone = _tone(440 * 2 ** ((root + octave + scale[degree] - 57) / 12), int(length * beat), harmonics, rng)
                stop = min(start + len(tone), len(out))
                out[start:stop] += loud * tone[: stop - start]
    if rng.random() < 0.6:
        for start in np.arange(0, samples, beat / 2).astype(int):
            hit = rng.standard_normal(2000).astype(np.float32) * np.exp(-np.arange(2000) / rng.uniform(80, 500))
            stop = min(start + 2000, len(out))
            out[start:stop] += rng.uniform(0.2, 1.0) * hit[: stop - start].astype(np.float32)
    return (out / (out.std() + 1e-6))[:samples]


def breath(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Breathing in and out through mouth and nose; unit RMS at its loudest."""
    band = signal.butter(2, [rng.uniform(200, 900), rng.uniform(2000, 6000)], "bandpass", fs=RATE, output="sos")
    noise = signal.sosfilt(band, rng.standard_normal(samples))
    cycle = rng.uniform(0.8, 3.0)
    swell = np.maximum(0, np.sin(2 * np.pi * (np.arange(samples) / RATE / cycle + rng.random()))) ** 2
    return (noise / noise.std() * swell).astype(np.float32)


def laughter(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Laughter in fits, four to six bursts of a voice a second; unit RMS."""
    time = np.arange(samples) / RATE
    hertz = rng.uniform(130, 400) * (1 + 0.15 * np.sin(2 * np.pi * time * rng.uniform(0.3, 1)))
    source = np.diff(np.floor(np.cumsum(hertz) / RATE), prepend=0) + 0.05 * rng.standard_normal(samples)
    for formant in (rng.uniform(500, 900), rng.uniform(1100, 1900), rng.uniform(2400, 3200)):
        peak = signal.iirpeak(formant, 6, fs=RATE)
        source = source * 0.3 + signal.lfilter(*peak, source) * 3
    puffs = np.maximum(0, np.sin(2 * np.pi * time * rng.uniform(3.8, 6.2))) ** 1.5
    fits = np.sin(2 * np.pi * (time / rng.uniform(1.5, 4) + rng.random())) > -0.3
    out = source * puffs * fits
    return (out / (out.std() + 1e-6)).astype(np.float32)


def _tone(hertz: float, samples: int, harmonics: float, rng: np.random.Generator) -> np.ndarray:
    time = np.arange(samples, dtype=np.float32) / RATE
    vibrato = 1 + 0.004 * rng.random() * np.sin(2 * np.pi * 5 * time)
    odd = 1 + int(harmonics > 0.6)  # a clarinet, or a square wave
    waves = [
        harmonics**k * np.sin(2 * np.pi * hertz * (odd * k + 1) * time * vibrato)
        for k in range(6)
        if hertz * (odd * k + 1) < 7500
    ]
    fade = np.exp(-time / rng.uniform(0.15, 2.0)) * np.minimum(1, np.minimum(time, time[-1] - time) / 0.01)
    return (sum(waves) * fade).astype(np.float32)


def line(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The waveform through a telephone: about 300 to 3400 Hz, in half of the cases with eight-bit mu-law."""
    band = signal.butter(4, [rng.uniform(200, 350), rng.uniform(3000, 3900)], "bandpass", fs=RATE, output="sos")
    waveform = signal.sosfiltfilt(band, waveform)
    if rng.random() < 0.5:
        return waveform
    peak = np.abs(waveform).max() + 1e-6
    companded = np.round(np.sign(waveform) * np.log1p(255 * np.abs(waveform) / peak) / np.log(256) * 127) / 127
    return np.sign(companded) * np.expm1(np.abs(companded) * np.log(256)) / 255 * peak


def degrade(waveform: np.ndarray, rng: np.random.Generator, murmur: np.ndarray) -> np.ndarray:
    """Random disturbances, in a quarter of the cases none; `murmur` is other speech to put quietly behind it."""
    if rng.random() < 0.25:
        return waveform
    if rng.random() < 0.6:
        waveform = equalise(waveform, rng)
    if rng.random() < 0.25:
        waveform = room(waveform, rng)
    level = waveform.std() + 1e-5
    if rng.random() < 0.5:
        waveform = waveform + coloured_noise(len(waveform), rng) * level * 10 ** (-rng.uniform(3, 35) / 20)
    if rng.random() < 0.35:
        waveform = waveform + music(len(waveform), rng) * level * 10 ** (-rng.uniform(1, 22) / 20)
    if rng.random() < 0.1:
        waveform = waveform + np.resize(murmur, len(waveform)) * (
            level / (murmur.std() + 1e-5) * rng.uniform(0.03, 0.2)
        )
    if rng.random() < 0.15:
        waveform = line(waveform, rng)
    return waveform.astype(np.float32)


def level(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The waveform at a random level of recordings, an RMS of -38 to -12 dB."""
    return np.clip(waveform * 10 ** (rng.uniform(-38, -12) / 20) / (waveform.std() + 1e-4), -1, 1).astype(np.float32)
