"""Writing a Clip as a video file that plays everywhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation

from sonic_core.clip import Audio, Clip
from sonic_core.errors import OutputError
from sonic_core.media.container import local_name
from sonic_core.media.files import written_whole
from sonic_core.media.prefetch import ahead

FORMATS = ("mp4", "mov")
QUALITIES = {"small": 28, "medium": 23, "high": 18, "best": 12}  # names for x264's constant quality
BT709 = 1  # colour primaries, transfer and matrix alike
LIMITED_RANGE, FULL_RANGE = 1, 2
# Half of what "veryfast" costs at the same quality, files a fifth larger. Most of a talking portrait stands still,
# which the macroblock tree finds; "superfast" alone leaves it out, and its files are more than twice as large.
X264 = {"preset": "superfast", "x264-params": "mbtree=1:rc-lookahead=10"}
# Without these flags swscale is up to two levels off, the more the more often a video is read and written.
ACCURATE = (
    Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)


def save_video(
    clip: Clip,
    path: str | os.PathLike[str],
    crf: int = 18,
    on_frame: Callable[[int, int], None] | None = None,
) -> Path:
    """Write `clip` as H.264 yuv420p and AAC in an MP4 whose index comes first (faststart).

    `crf` is x264's constant quality, 0 (lossless) to 51. `on_frame(done, total)` is called after each frame; raising
    from it cancels. Odd sides are made even by repeating the last row or column. Raises OutputError; never leaves half
    a file.
    """
    target = Path(path)
    if target.suffix.lower() not in (".mp4", ".mov", ".m4v"):
        raise OutputError(f"output {str(target)!r} must end in .mp4")
    with written_whole(target) as temporary:
        options = {"movflags": "use_metadata_tags+faststart"}
        with av.open(local_name(temporary), "w", format="mp4", container_options=options) as container:
            container.metadata.update(clip.metadata)
            encode(container, clip, {"crf": str(crf), **X264}, on_frame)
    return target


def encode(
    container: Any, clip: Clip, options: dict[str, str], on_frame: Callable[[int, int], None] | None = None
) -> None:
    """Write the clip's frames and sound side by side into an open container; `options` are x264's."""
    width, height = clip.width + clip.width % 2, clip.height + clip.height % 2
    video = container.add_stream("libx264", rate=clip.fps, options=options)
    video.width, video.height, video.pix_fmt = width, height, "yuv420p"
    context = video.codec_context
    context.time_base = 1 / Fraction(clip.fps)
    context.color_primaries = context.color_trc = context.colorspace = BT709
    context.color_range = LIMITED_RANGE
    sound = SoundEncoder(container, clip.audio) if clip.audio is not None else None
    frames = (frame for chunk in ahead(clip.pixels()) for frame in chunk)
    for index, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(even(frame), format="rgb24")
        picture = picture.reformat(
            format="yuv420p", dst_colorspace=BT709, src_color_range=FULL_RANGE, dst_color_range=LIMITED_RANGE,
            interpolation=ACCURATE,
        )  # fmt: skip
        picture.pts, picture.time_base = index, context.time_base
        container.mux(video.encode(picture))
        if sound is not None:  # side by side, so that the muxer holds little
            sound.write_until((index + 1) / clip.fps)
        if on_frame is not None:
            on_frame(index + 1, clip.frame_count)
    container.mux(video.encode(None))
    if sound is not None:
        sound.finish()


def even(picture: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) with even sides: the last row or column is repeated, nothing is cut."""
    height, width = picture.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return np.ascontiguousarray(picture)
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


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
