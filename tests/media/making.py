"""Videos with flashes and clicks at known times, in any container, with late starts, gaps and varying frame rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from sonic_core.clip import Audio, Clip

RATE = 48_000
FLASH = 0.12  # seconds that a flash lasts
TICKS = Fraction(1, 90_000)

Place = Callable[[float], bool]


def flashing_video(
    path: Path,
    flashes: Sequence[float],
    *,
    seconds: float = 3.0,
    times: Sequence[float] | None = None,
    fps: Fraction = Fraction(25),
    picture_start: float = 0.0,
    sound_start: float = 0.0,
    sound_end: float | None = None,
    missing: tuple[float, float] | None = None,
    sound_codec: str = "aac",
    video_codec: str = "libx264",
    rate: int = RATE,
    options: dict[str, str] | None = None,
    size: tuple[int, int] = (64, 48),
    format: str | None = None,
) -> list[float]:
    """Write a video that flashes and clicks at (about) `flashes`, seconds of the file; the times the flashes have.

    `times`: when each frame is shown, or `fps` from `picture_start` on. Sound packets from `missing[0]` to
    `missing[1]` are left out. A flash begins with the first frame shown at its time or later, the click with it.
    """
    if times is None:
        count = round((seconds - picture_start) * float(fps))
        times = [picture_start + float(k / fps) for k in range(count)]
    begun = [min((t for t in times if t >= flash - 1e-6), default=times[-1]) for flash in flashes]
    wave = clicks(begun, sound_start, seconds if sound_end is None else sound_end, rate)
    with av.open(str(path), "w", options=options or {}, format=format) as container:
        video = container.add_stream(video_codec, rate=fps)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.codec_context.time_base = TICKS
        sound = container.add_stream(sound_codec, rate=rate, layout="mono")
        packets = []
        for time in times:
            lit = any(flash - 1e-6 <= time < flash + FLASH for flash in begun)
            level = 235 if lit else 16
            frame = av.VideoFrame.from_ndarray(np.full((size[1] * 3 // 2, size[0]), level, np.uint8), format="yuv420p")
            for plane in list(frame.planes)[1:]:
                plane.update(bytes([128]) * plane.buffer_size)
            frame.pts, frame.time_base = round(time / TICKS), TICKS
            packets += video.encode(frame)
        packets += video.encode(None)
        packets += encoded_sound(sound, wave, sound_start, rate, missing)
        container.start_encoding()
        for packet in sorted(packets, key=lambda p: (p.dts if p.dts is not None else 0) * p.time_base):
            container.mux(packet)
    return begun


def clicks(at: Sequence[float], start: float, end: float, rate: int) -> np.ndarray:
    """(1, n) float32 sound from `start` to `end` with a short tone that begins at each time."""
    wave = np.zeros(round((end - start) * rate), np.float32)
    for time in at:
        first = round((time - start) * rate)
        length = min(round(0.03 * rate), len(wave) - first)
        if first >= 0 and length > 0:
            wave[first : first + length] = 0.8 * np.sign(np.sin(2 * np.pi * 1000 * (np.arange(length) + 0.5) / rate))
    return wave[None]


def encoded_sound(stream, wave: np.ndarray, start: float, rate: int, missing: tuple[float, float] | None) -> list:
    context = stream.codec_context
    context.open()
    step = context.frame_size or 1024
    resampler = av.AudioResampler(format=context.format, layout="mono", rate=rate)
    packets = []
    for first in range(0, wave.shape[1], step):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave[:, first : first + step]), "fltp", "mono")
        frame.rate, frame.pts, frame.time_base = rate, round(start * rate) + first, Fraction(1, rate)
        for piece in resampler.resample(frame):
            piece.pts, piece.time_base = frame.pts, frame.time_base
            packets += stream.encode(piece)
    packets += stream.encode(None)
    if missing is None:
        return packets
    return [p for p in packets if not missing[0] <= p.pts * p.time_base < missing[1]]


def flashes_seen(clip: Clip) -> list[float]:
    """When each flash begins, in seconds of the clip."""
    bright = np.array([frame.mean() for frame in clip.frames()])
    lit = bright > (bright.min() + bright.max()) / 2
    first = np.flatnonzero(lit & ~np.r_[False, lit[:-1]])
    return [float(k / clip.fps) for k in first]


def clicks_heard(audio: Audio | None) -> list[float]:
    """When each click begins, in seconds of the sound."""
    assert audio is not None
    loud = np.flatnonzero(np.abs(audio.samples).max(0) > 0.25)
    if not len(loud):
        return []
    return [float(k / audio.rate) for k in loud[np.r_[True, np.diff(loud) > 0.1 * audio.rate]]]


def sync_error(clip: Clip) -> float:
    """The largest distance of a flash from its click, seconds; infinite when their numbers differ."""
    seen, heard = flashes_seen(clip), clicks_heard(clip.audio)
    if len(seen) != len(heard) or not seen:
        return float("inf")
    return max(abs(a - b) for a, b in zip(seen, heard, strict=True))
