"""Writes a Clip as a video file that plays everywhere."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from sonic_core.clip import BLOCK_SECONDS, Audio, Clip
from sonic_core.errors import OutputError
from sonic_core.media.codecs import X264, Encoding, Plan, plan_for, playable_size
from sonic_core.media.container import local_name
from sonic_core.media.files import written_whole
from sonic_core.media.palette import paletted
from sonic_core.media.picture_record import write_metadata
from sonic_core.media.prefetch import ahead
from sonic_core.media.subtitles import Cue, SubtitleTrack
from sonic_core.progress import OnStep

logger = logging.getLogger(__name__)

QUALITIES = {"small": 28, "medium": 23, "high": 18, "best": 12}  # names for x264's constant quality
BT709 = 1  # the same number for primaries, transfer and matrix
AAC_RATES = (8000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
LIMITED_RANGE, FULL_RANGE = 1, 2
YUV = ("yuv", "nv")  # prefixes of the names of FFmpeg's YUV formats
# Without these flags, which PyAV 14 does not have, swscale is up to two levels off, and the error grows with each
# generation.
ACCURATE = Interpolation.BICUBIC
for flag in ("ACCURATE_RND", "FULL_CHR_H_INT", "FULL_CHR_H_INP"):
    ACCURATE |= getattr(Interpolation, flag, 0)

__all__ = ["ACCURATE", "QUALITIES", "X264", "SoundEncoder", "encode", "save_video"]


def save_video(
    clip: Clip,
    path: str | os.PathLike[str],
    crf: int = 18,
    on_frame: OnStep | None = None,
    encoding: Encoding | None = None,
    subtitles: Sequence[Cue] = (),
) -> Path:
    """Write `clip` to a file: H.264 (yuv420p) and AAC in an MP4 with its index first, or as `encoding` says.

    `crf` is x264's constant quality, 0 (lossless) to 51, where there is no `encoding`. `on_frame(done, total)` is
    called after each frame; raising from it cancels. Odd sides are made even by repeating the last row or column;
    pictures too large for common players are made smaller. `subtitles` become a text track. Raises OutputError and
    SettingsError; never leaves half a file.
    """
    target, encoding = Path(path), encoding or Encoding(crf=crf)
    plan = plan_for(target, encoding, clip.has_alpha)
    clip = clip if encoding.full_size else made_playable(clip)
    if plan.container.sound is None and clip.audio is not None:
        logger.warning("%s: the format %s has no sound; it is left out", target.name, plan.container.muxer)
    with written_whole(target) as temporary:
        try:
            with av.open(
                local_name(temporary), "w", format=plan.container.muxer, container_options=plan.container.options
            ) as container:
                container.metadata.update(clip.metadata)
                encode(container, clip, plan.options, on_frame, plan, subtitles)
            write_metadata(temporary, plan.container.muxer, clip.metadata)
        except av.FFmpegError as error:
            remedy = "leave hardware out" if encoding.hardware else "free space or choose another"
            raise OutputError(f"cannot write {str(target)!r}: {error.strerror}; {remedy}") from error
    return target


def made_playable(clip: Clip) -> Clip:
    """The clip at a size that common players take; a line in the log says when it was larger."""
    size = playable_size(clip.width, clip.height, clip.fps)
    if size == (clip.width, clip.height):
        return clip
    logger.warning(
        "a video of %d x %d at %.4g frames a second plays on few devices; it is written as %d x %d",
        clip.width, clip.height, float(clip.fps), *size,
    )  # fmt: skip

    def make() -> Iterator[np.ndarray]:
        for chunk in clip.pixels():
            yield np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in chunk])

    return clip.replaced(make=make, width=size[0], height=size[1])


def encode(
    container: Any,
    clip: Clip,
    options: dict[str, str],
    on_frame: OnStep | None = None,
    plan: Plan | None = None,
    subtitles: Sequence[Cue] = (),
) -> None:
    """Write the clip's frames and sound, interleaved, into an open container; `options` are the encoder's.

    Without a `plan`, H.264 and AAC.
    """
    plan = plan or plan_for(Path("a.mp4"), Encoding())
    video = container.add_stream(plan.encoder, rate=clip.fps, options=options)
    video.width, video.height = clip.width + clip.width % 2, clip.height + clip.height % 2
    video.pix_fmt = plan.pixels
    context = video.codec_context
    context.time_base = 1 / Fraction(clip.fps)
    if plan.tag is not None:
        context.codec_tag = plan.tag
    if plan.pixels.startswith(YUV):
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.color_range = LIMITED_RANGE
    sound = None
    if clip.audio is not None and plan.container.sound is not None:
        sound = SoundEncoder(container, clip.audio, plan.container.sound)
    text = SubtitleTrack(container, subtitles, plan.container.muxer) if subtitles else None
    for index, picture in enumerate(_pictures(clip, plan)):
        picture.pts, picture.time_base = index, context.time_base
        container.mux(video.encode(picture))
        if sound is not None:  # interleaved, so that the muxer buffers little
            sound.write_until((index + 1) / clip.fps)
        if text is not None:
            text.write_until(float((index + 1) / clip.fps))
        if on_frame is not None:
            on_frame(index + 1, clip.frame_count)
    container.mux(video.encode(None))
    if sound is not None:
        sound.finish()


def _pictures(clip: Clip, plan: Plan) -> Iterator[Any]:
    """The clip's frames as the encoder takes them."""
    frames = (frame for chunk in ahead(clip.pixels()) for frame in chunk)
    known = "rgba" if clip.has_alpha else "rgb24"
    if plan.pixels == "pal8":
        yield from paletted((av.VideoFrame.from_ndarray(even(frame), format=known) for frame in frames), clip.fps)
        return
    converter = VideoReformatter()  # one for all frames: making one costs a tenth of a conversion
    for frame in frames:
        picture = av.VideoFrame.from_numpy_buffer(even(frame), format=known)  # no copy: it is converted at once
        if not plan.pixels.startswith(YUV):
            yield converter.reformat(picture, format=plan.pixels)
            continue
        yield converter.reformat(
            picture, format=plan.pixels, dst_colorspace=BT709, src_color_range=FULL_RANGE,
            dst_color_range=LIMITED_RANGE, interpolation=ACCURATE,
        )  # fmt: skip


def even(picture: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3 or 4) with even sides: the last row or column is repeated; nothing is cut."""
    height, width = picture.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return np.ascontiguousarray(picture)
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


class SoundEncoder:
    """Feeds an `Audio` to a stream of AAC (or Opus) piece by piece."""

    def __init__(self, container: Any, audio: Audio, codec: str = "aac"):
        self.container, self.audio, self.done = container, audio, 0
        channels = audio.channels
        self.layout = "mono" if channels == 1 else "stereo"
        # Each codec has a fixed list of rates; the resampler brings the sound to one of them.
        known = AAC_RATES if codec == "aac" else (48_000,)
        rate = audio.rate if audio.rate in known else 48_000
        self.stream = container.add_stream(codec, rate=rate, layout=self.layout)
        self.stream.bit_rate = 96_000 * channels
        self.resampler = av.AudioResampler(format="fltp", layout=self.layout, rate=rate)

    def write_until(self, seconds: Fraction | float) -> None:
        end = min(int(seconds * self.audio.rate), self.audio.length)
        while self.done < end:
            stop = min(end, self.done + BLOCK_SECONDS * self.audio.rate)
            block = np.ascontiguousarray(self.audio.read(self.done, stop).clip(-1, 1))
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=self.layout)
            frame.rate, frame.pts, frame.time_base = self.audio.rate, self.done, Fraction(1, self.audio.rate)
            self.done = stop
            self._encode(self.resampler.resample(frame))

    def finish(self) -> None:
        self.write_until(self.audio.seconds + 1)
        self._encode(self.resampler.resample(None))
        self.container.mux(self.stream.encode(None))

    def _encode(self, frames: list[Any]) -> None:
        for frame in frames:
            self.container.mux(self.stream.encode(frame))
