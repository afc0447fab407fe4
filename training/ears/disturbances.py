"""Disturbances to measure the ears with: noise, music, a telephone, half the sample rate, codecs.

They differ from what the ears were trained against: other music, other noise, real codecs. Waveforms are float32
(samples,) at 16 kHz, and no disturbance moves the speech in time.
"""

from __future__ import annotations

import io

import numpy as np
from scipy import signal

RATE = 16000
DISTURBANCES = ("noise 10 dB", "music 6 dB under", "telephone", "8 kHz")
# Encoder, container, bits a second.
CODECS = {
    "Opus 12 kbit/s": ("libopus", "ogg", 12_000),
    "MP3 32 kbit/s": ("libmp3lame", "mp3", 32_000),
    "AAC 32 kbit/s": ("aac", "mp4", 32_000),
}


def disturbed(sound: np.ndarray, how: str, rng: np.random.Generator) -> np.ndarray:
    """`how` is one of `DISTURBANCES` or `CODECS`."""
    level = sound.std()
    if how == "noise 10 dB":
        return sound + rng.standard_normal(len(sound)).astype(np.float32) * level * 10 ** (-10 / 20)
    if how == "music 6 dB under":
        return sound + tune(len(sound), rng) * level * 10 ** (-6 / 20)
    if how == "telephone":
        band = signal.butter(4, (300, 3400), "bandpass", fs=RATE, output="sos")
        return signal.sosfiltfilt(band, sound).astype(np.float32)
    if how == "8 kHz":
        return signal.resample_poly(signal.resample_poly(sound, 1, 2), 2, 1)[: len(sound)].astype(np.float32)
    return coded(sound, *CODECS[how])


def tune(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Plucked chords and a drum, unit RMS."""
    out = np.zeros(samples + RATE)
    for beat, start in enumerate(range(0, samples, RATE // 4)):
        time_axis = np.arange(RATE) / RATE
        for note in rng.choice([0, 3, 5, 7, 10, 12, 15], 3):
            hertz = 220 * 2 ** (note / 12)
            tone = signal.sawtooth(2 * np.pi * hertz * time_axis, 0.5) * np.exp(-5 * time_axis)
            out[start : start + RATE] += tone
        if beat % 2 == 0:
            out[start : start + RATE] += 3 * rng.standard_normal(RATE) * np.exp(-40 * time_axis)
    return (out[:samples] / out[:samples].std()).astype(np.float32)


def coded(sound: np.ndarray, encoder: str, container: str, bits: int) -> np.ndarray:
    """Encoded and decoded again, the codec's delay taken off."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=container) as writer:
        stream = writer.add_stream(encoder, rate=RATE, layout="mono", bit_rate=bits)
        for start in range(0, len(sound), 960):
            part = np.ascontiguousarray(sound[None, start : start + 960])
            frame = av.AudioFrame.from_ndarray(part, "fltp", "mono")
            frame.sample_rate, frame.pts = RATE, start
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))
    file.seek(0)
    resampler = av.AudioResampler("fltp", "mono", RATE)
    with av.open(file) as reader:
        frames = [out for frame in reader.decode(audio=0) for out in resampler.resample(frame)]
    heard = np.concatenate([frame.to_ndarray()[0] for frame in [*frames, *resampler.resample(None)]])
    return aligned(heard, sound)


def aligned(heard: np.ndarray, sound: np.ndarray, reach: int = 4000) -> np.ndarray:
    """`heard` moved to where it correlates best with `sound`, cut or padded to its length."""
    padded = np.pad(sound, (0, len(heard)))[: max(len(heard), len(sound))]
    found = signal.correlate(np.pad(heard, (0, max(0, len(padded) - len(heard)))), padded, method="fft")
    middle = len(padded) - 1
    shift = int(found[middle - reach : middle + reach + 1].argmax()) - reach
    moved = heard[shift:] if shift >= 0 else np.pad(heard, (-shift, 0))
    return np.pad(moved, (0, max(0, len(sound) - len(moved))))[: len(sound)].astype(np.float32)
