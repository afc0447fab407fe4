"""Writing a Clip as an MP4 that plays everywhere, and reading any video file as a Clip."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from sonic_core.clip import Audio, Clip
from sonic_core.errors import InputError, OutputError
from sonic_core.media.audio import load_audio
from sonic_core.media.container import open_media
from sonic_core.media.files import existing_file, written_whole
from sonic_core.media.prefetch import ahead

MAX_PIXELS = 16_384 * 16_384 // 8
MAX_SECONDS = 3600.0
CHUNK_PIXELS = 512 * 512 * 16  # frames are decoded in chunks of about this many pixels (50 MB as float32)
FORMATS = ("mp4", "mov")
QUALITIES = {"small": 28, "medium": 23, "high": 18, "best": 12}  # names for x264's constant quality
BT709 = 1  # colour primaries, transfer and matrix alike
LIMITED_RANGE = 1
# Half of what "veryfast" costs at the same quality, files a fifth larger. Most of a talking portrait stands still,
# which the macroblock tree finds; "superfast" alone leaves it out, and its files are more than twice as large.
X264 = {"preset": "superfast", "x264-params": "mbtree=1:rc-lookahead=10"}


def save_video(
    clip: Clip,
    path: str | os.PathLike[str],
    crf: int = 18,
    on_frame: Callable[[int, int], None] | None = None,
) -> Path:
    """Write `clip` as H.264 yuv420p and AAC in an MP4 whose index comes first (faststart).

    `crf` is x264's constant quality, 0 (lossless) to 51. `on_frame(done, total)` is called after each frame; raising
    from it cancels. An odd last row or column is left out. Raises OutputError; never leaves half a file.
    """
    target = Path(path)
    if target.suffix.lower() not in (".mp4", ".mov", ".m4v"):
        raise OutputError(f"output {str(target)!r} must end in .mp4")
    with written_whole(target) as temporary:
        options = {"movflags": "use_metadata_tags+faststart"}
        with av.open(str(temporary), "w", format="mp4", container_options=options) as container:
            container.metadata.update(clip.metadata)
            encode(container, clip, {"crf": str(crf), **X264}, on_frame)
    return target


def encode(
    container: Any, clip: Clip, options: dict[str, str], on_frame: Callable[[int, int], None] | None = None
) -> None:
    """Write the clip's frames and sound side by side into an open container; `options` are x264's."""
    width, height = clip.width & ~1, clip.height & ~1
    video = container.add_stream("libx264", rate=clip.fps, options=options)
    video.width, video.height, video.pix_fmt = width, height, "yuv420p"
    context = video.codec_context
    context.time_base = 1 / Fraction(clip.fps)
    context.color_primaries = context.color_trc = context.colorspace = BT709
    context.color_range = LIMITED_RANGE
    sound = SoundEncoder(container, clip.audio) if clip.audio is not None else None
    frames = (frame for chunk in ahead(clip.pixels()) for frame in chunk)
    for index, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace=BT709)
        picture.pts, picture.time_base = index, context.time_base
        container.mux(video.encode(picture))
        if sound is not None:  # side by side, so that the muxer holds little
            sound.write_until((index + 1) / clip.fps)
        if on_frame is not None:
            on_frame(index + 1, clip.frame_count)
    container.mux(video.encode(None))
    if sound is not None:
        sound.finish()


class SoundEncoder:
    """Feeds an `Audio` to an AAC stream piece by piece."""

    def __init__(self, container: Any, audio: Audio):
        self.container, self.audio, self.done = container, audio, 0
        channels = audio.samples.shape[0]
        self.layout = "mono" if channels == 1 else "stereo"
        # AAC knows a fixed list of rates; PyAV resamples to the stream's.
        rate = audio.rate if audio.rate in (8000, 16000, 22050, 24000, 32000, 44100, 48000) else 48000
        self.stream = container.add_stream("aac", rate=rate, layout=self.layout)
        self.stream.bit_rate = 96_000 * channels
        self.resampler = av.AudioResampler(format="fltp", layout=self.layout, rate=rate)

    def write_until(self, seconds: Fraction | float) -> None:
        end = min(int(seconds * self.audio.rate), self.audio.samples.shape[1])
        if end <= self.done:
            return
        block = np.ascontiguousarray(self.audio.samples[:, self.done : end].clip(-1, 1))
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=self.layout)
        frame.rate, frame.pts, frame.time_base = self.audio.rate, self.done, Fraction(1, self.audio.rate)
        self.done = end
        self._encode(self.resampler.resample(frame))

    def finish(self) -> None:
        self.write_until(self.audio.seconds + 1)
        self._encode(self.resampler.resample(None))
        self.container.mux(self.stream.encode(None))

    def _encode(self, frames: list[Any]) -> None:
        for frame in frames:
            self.container.mux(self.stream.encode(frame))


def open_video(path: str | os.PathLike[str], with_audio: bool = True) -> Clip:
    """Any video file as a lazy Clip at its average frame rate, frames repeated or dropped where its timing varies.

    Sound is read at once when there is some. Raises InputError for a file without a usable video stream.
    """
    file = existing_file(path, "video")
    try:
        with open_media(file) as container:
            if not container.streams.video:
                raise InputError(f"{str(file)!r} holds no video; give a video file")
            stream = container.streams.video[0]
            width, height = stream.width, stream.height
            if width * height > MAX_PIXELS or min(width, height) < 16:
                raise InputError(f"video {str(file)!r} is {width} x {height}; that size cannot be used")
            fps = Fraction(stream.average_rate or stream.guessed_rate or 25).limit_denominator(1001)
            if stream.duration and stream.time_base:
                seconds = float(stream.duration * stream.time_base)
            else:
                seconds = (container.duration or 0) / av.time_base
            if not 0 < seconds <= MAX_SECONDS:
                raise InputError(f"video {str(file)!r} is {seconds:.1f} s long; the limit is {MAX_SECONDS:.0f} s")
            has_sound = bool(container.streams.audio)
            metadata = {str(key): str(value) for key, value in container.metadata.items()}
    except av.FFmpegError as error:
        raise InputError(
            f"video {str(file)!r} cannot be read ({error.strerror}); give an MP4, MOV, MKV or WebM"
        ) from error
    count = max(1, round(seconds * fps))
    audio = load_audio(file) if with_audio and has_sound else None
    return Clip(width, height, count, fps, lambda: _decode_chunks(file, count, fps), audio, metadata)


def _decode_chunks(file: Path, count: int, fps: Fraction) -> Iterator[np.ndarray]:
    chunk: list[np.ndarray] = []
    for frame in _at_constant_rate(file, count, fps):
        chunk.append(frame)
        if len(chunk) * frame.shape[0] * frame.shape[1] >= CHUNK_PIXELS:
            yield np.stack(chunk).astype(np.float32) / 255
            chunk = []
    if chunk:
        yield np.stack(chunk).astype(np.float32) / 255


def _at_constant_rate(file: Path, count: int, fps: Fraction) -> Iterator[np.ndarray]:
    """Exactly `count` frames: at each tick the frame shown at that time. uint8 (h, w, 3)."""
    given, current, start = 0, None, None
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for packet in container.demux(stream):
            try:
                decoded = packet.decode()
            except av.error.InvalidDataError:
                continue  # a damaged packet: the frame before it stays
            for frame in decoded:
                time = frame.time if frame.time is not None else given / fps
                start = time if start is None else start
                # Half a tick of slack keeps rounded time stamps on their own tick.
                while current is not None and given < count and (given + 0.5) / fps <= time - start:
                    yield current
                    given += 1
                current = frame.to_ndarray(format="rgb24")
    if current is None:
        raise InputError(f"video {str(file)!r} has no frame that can be decoded; export or download it again")
    for _ in range(given, count):
        yield current
