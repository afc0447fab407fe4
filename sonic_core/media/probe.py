"""The one gate: what a file is (photo, sound or video) and whether it can be used. Every way into the program asks it.

It goes by content, since names may lie. Pictures are decoded; sounds and videos are walked through packet by packet and
their first frames decoded, so that a file accepted here does not fail later. A refusal is one sentence that says what
the file is and what to give instead.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.stream import Disposition

from sonic_core.errors import InputError
from sonic_core.media.container import open_media
from sonic_core.media.cropping import cropping_of
from sonic_core.media.file_type import describe_content
from sonic_core.media.files import existing_file
from sonic_core.media.mp4 import is_protected
from sonic_core.media.picture import View, colour_name, view_of
from sonic_core.media.sound import check_peak
from sonic_core.media.still import Still, open_still
from sonic_core.media.timeline import Clock, Span, TooLongError, constant_rate, make_clock, spans
from sonic_core.settings import MAX_SECONDS

Kind = Literal["image", "audio", "video"]

MAX_SOUND_SECONDS = MAX_VIDEO_SECONDS = MAX_SECONDS
MIN_SECONDS = 0.04
MAX_STREAMS = 32
MAX_PIXELS = 16_384 * 16_384 // 8
MIN_VIDEO_SIDE = 16
FIRST_PACKETS = 500  # of a stream, among which one must decode

WANTED: dict[Kind | None, str] = {
    None: "convert it first",
    "image": "give a still picture: JPEG, PNG, WebP, HEIC, AVIF, BMP or TIFF",
    "audio": "give a sound: WAV, FLAC, MP3, M4A, OGG, or a video with sound",
    "video": "give a video: MP4, MOV, MKV or WebM",
}
REFUSED: dict[Kind | None, str] = {
    None: "is neither a picture (JPEG, PNG, WebP, HEIC) nor a sound (WAV, FLAC, MP3, OGG, M4A) nor a video (MP4, MOV, "
    "MKV, WebM){}",
    "image": "is not an image that can be read",
    "audio": "cannot be read as sound{}",
    "video": "cannot be read as video{}",
}
ANIMATED = ("GIF", "PNG")  # FFmpeg reads these animations, so they count as videos
NAMES = {
    "mov": "MP4", "matroska": "Matroska", "mpegts": "MPEG-TS", "mpeg": "MPEG-PS", "asf": "WMA/WMV", "wav": "WAV",
    "ogg": "Ogg", "wv": "WavPack", "gif": "GIF", "apng": "PNG", "mp3": "MP3", "aac": "AAC",
    "nistsphere": "NIST SPHERE", "yuv4mpegpipe": "YUV4MPEG",
}  # fmt: skip


@dataclass(frozen=True)
class SoundInfo:
    """A stream of sound; `span` is the time its packets cover on the file's clock."""

    index: int
    codec: str
    rate: int
    channels: int
    layout: str
    span: Span


@dataclass(frozen=True)
class PictureInfo:
    """A stream of pictures as they are seen, and its clock."""

    index: int
    codec: str
    view: View
    start: float  # when the first picture is shown, in seconds of the file's clock
    clock: Clock
    interlaced: bool
    colour: str  # "SDR", "HDR (HLG, BT.2020)", ...


@dataclass(frozen=True)
class MediaInfo:
    """What a file is. Width and height are as seen: upright, cropped, with square pixels."""

    path: Path
    kind: Kind
    format: str
    size: int  # bytes
    width: int | None = None
    height: int | None = None
    seconds: float | None = None  # measured, not taken from the header
    still: Still | None = None
    picture: PictureInfo | None = None
    sound: SoundInfo | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    shifts: list[float] = field(default_factory=lambda: [0.0])  # of recordings joined in the file; see timeline.joined

    @property
    def sound_seconds(self) -> float:
        """Length of the sound in seconds, from the first picture on where there are pictures; 0 without sound."""
        if self.sound is None:
            return 0.0
        start = self.sound.span.start if self.picture is None else self.picture.clock.origin
        return self.sound.span.end - start

    @property
    def words(self) -> str:
        """What the file is, in words for a sentence."""
        if self.still is not None and self.still.frames > 1:
            return f"{self.still.several} ({self.format}, {self.width} x {self.height} pixels)"
        if self.kind == "image":
            return f"a picture ({self.format}, {self.width} x {self.height} pixels)"
        if self.kind == "audio":
            return f"a sound ({self.format}, {self.seconds:.2f} s)"
        return f"a video ({self.format}, {self.width} x {self.height}, {self.seconds:.2f} s)"


def probe(
    path: str | os.PathLike[str], wanted: Kind | None = None, name: str | None = None, until: float | None = None
) -> MediaInfo:
    """What the file at `path` is. Raises InputError for a file that cannot be used, or not as `wanted`.

    A video with sound serves as audio. `name` is what the sentence calls the file. With `until`, only that many seconds
    of a recording are examined.
    """
    info = examine(path, wanted, name, until)
    if wanted == "audio" and info.sound is not None and info.sound.codec.startswith("pcm_f"):
        check_peak(_peak(info.path, info.sound.index, until), name or f"audio {info.path.name!r}")
    return info


def examine(
    path: str | os.PathLike[str], wanted: Kind | None = None, name: str | None = None, until: float | None = None
) -> MediaInfo:
    """The same as `probe`, for callers that check the samples of a sound themselves as they decode it."""
    if wanted == "image":
        still, name = still_of(path, name)
        still.pixels(name)
        return _picture(still)
    file = existing_file(path, wanted or "file")
    name = name or f"{wanted or 'file'} {file.name!r}"
    possible = open_still(file, name)
    if possible is not None and not (possible.frames > 1 and possible.format in ANIMATED):
        if wanted is not None:
            raise InputError(f"{name} is {_picture(possible).words}; {WANTED[wanted]}")
        possible.pixels(name)
        return _picture(possible)
    info = _recording(file, name, file.stat().st_size, wanted, until)
    if wanted == "audio" and info.sound is None:
        raise InputError(f"{name} holds no sound: it is {info.words}; {WANTED['audio']}")
    if wanted == "video" and info.picture is None:
        raise InputError(f"{name} holds no video: it is {info.words}; {WANTED['video']}")
    return info


def _picture(still: Still) -> MediaInfo:
    return MediaInfo(
        still.path, "image", still.format, still.path.stat().st_size, still.width, still.height, still=still
    )


def kind_of(path: str | os.PathLike[str]) -> Kind:
    """The kind of a file. Raises InputError for one that cannot be used."""
    return probe(path).kind


def still_of(path: str | os.PathLike[str], name: str | None = None) -> tuple[Still, str]:
    """The still picture at `path`, not yet decoded, and its name for sentences. Raises InputError for other files."""
    file = existing_file(path, "image")
    name = name or f"image {file.name!r}"
    still = open_still(file, name)
    if still is None:
        info = _recording(file, name, file.stat().st_size, "image")
        raise InputError(f"{name} is {info.words}; {WANTED['image']}")
    return still, name


def _recording(file: Path, name: str, size: int, wanted: Kind | None, until: float | None = None) -> MediaInfo:
    """A sound or a video."""
    try:
        with open_media(file) as container:
            return _look_through(container, file, name, size, wanted, until)
    except (av.FFmpegError, ValueError, OSError) as error:
        if isinstance(error, InputError):
            raise
        reason = f" ({error.strerror})" if isinstance(error, av.FFmpegError) and error.strerror else ""
        raise InputError(
            f"{name} {REFUSED[wanted].format(reason)}: it is {describe_content(file)}; {WANTED[wanted]}"
        ) from error


def _look_through(
    container: Any, file: Path, name: str, size: int, wanted: Kind | None, until: float | None
) -> MediaInfo:
    pictures, sound = _main_streams(container, file, name, wanted)
    # For a sound, only the clock of the pictures matters, not their length.
    limit = MAX_SOUND_SECONDS if wanted == "audio" or pictures is None else MAX_VIDEO_SECONDS
    chosen = [stream for stream in (pictures, sound) if stream is not None]
    shifts = [0.0]
    try:
        found = spans(container, chosen, limit, shifts, until)
    except TooLongError as error:
        raise InputError(
            f"{name} is {error.seconds:.0f} s long or more; the limit is {limit:.0f} s, so cut it into parts"
        ) from None
    metadata = {str(key): str(value) for key, value in container.metadata.items()}
    heard = _sound_info(container, sound, found, file) if sound is not None else None
    shown = _picture_info(container, pictures, found, heard, file, name) if pictures is not None else None
    form = _format(container, file)
    if shown is not None:
        seconds, (width, height) = shown.clock.frame_count / float(shown.clock.fps), shown.view.size
        return MediaInfo(file, "video", form, size, width, height, seconds, None, shown, heard, metadata, shifts)
    if heard is None:
        missing = "frame" if pictures is not None else "samples"
        raise InputError(f"{name} holds no {missing} that can be decoded ({form}); export it again")
    if heard.span.seconds < MIN_SECONDS:
        raise InputError(f"{name} is {heard.span.seconds:.3f} s long; give at least {MIN_SECONDS} s")
    return MediaInfo(file, "audio", form, size, None, None, heard.span.seconds, None, None, heard, metadata, shifts)


def _main_streams(container: Any, file: Path, name: str, wanted: Kind | None) -> tuple[Any, Any]:
    """The stream of pictures and the one of sound, None for one that is not there. Raises InputError without both."""
    streams = container.streams
    if len(streams) > MAX_STREAMS:
        raise InputError(f"{name} has {len(streams)} streams; the limit is {MAX_STREAMS}, so save it again")
    pictures = _main_pictures(streams)
    sound = streams.best("audio") if streams.audio else None
    if pictures is None and sound is None:
        raise InputError(f"{name} holds neither pictures nor sound ({_format(container, file)}); {WANTED[wanted]}")
    if is_protected(file):
        raise InputError(
            f"{name} is protected against copying ({_format(container, file)}), so only its own player can read it; "
            f"{WANTED[wanted]}"
        )
    return pictures, sound


def _sound_info(container: Any, stream: Any, found: dict[int, Span], file: Path) -> SoundInfo | None:
    frame = _first_frame(file, stream.index)
    if frame is None or stream.index not in found:
        return None
    span = found[stream.index]
    if frame.time is not None:  # the decoder drops the encoder's priming, so it does not count
        span = replace(span, start=max(span.start, frame.time))
    context = stream.codec_context
    return SoundInfo(
        stream.index, context.codec.canonical_name, frame.rate, len(frame.layout.channels), frame.layout.name, span
    )


def _picture_info(
    container: Any, stream: Any, found: dict[int, Span], sound: SoundInfo | None, file: Path, name: str
) -> PictureInfo | None:
    frame = _first_frame(file, stream.index)
    if frame is None or stream.index not in found:
        return None
    if frame.width * frame.height > MAX_PIXELS or min(frame.width, frame.height) < MIN_VIDEO_SIDE:
        raise InputError(f"{name} is a video of {frame.width} x {frame.height}; that size cannot be used")
    crop = cropping_of(file, frame.width, frame.height)
    view = view_of(frame, stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio, crop)
    span = found[stream.index]
    rate = constant_rate(span.times, [stream.average_rate, stream.guessed_rate], frame.width * frame.height)
    clock = make_clock(span, sound.span if sound is not None else None, rate)
    return PictureInfo(
        stream.index,
        stream.codec_context.codec.canonical_name,
        view,
        span.start,
        clock,
        bool(frame.interlaced_frame),
        colour_name(frame),
    )


def _first_frame(file: Path, index: int) -> Any:
    """The first frame of a stream that decodes; None when there is none near its start."""
    with open_media(file) as container:
        stream = container.streams[index]
        if stream.codec_context is None:
            return None
        for number, packet in enumerate(container.demux(stream)):
            try:
                for frame in packet.decode():
                    return frame
            except (av.FFmpegError, ValueError):
                continue
            if number > FIRST_PACKETS:
                return None
    return None


def _peak(file: Path, index: int, until: float | None) -> float:
    """The highest absolute sample of a sound of floats, which can be any number; NaN if one is."""
    peak = 0.0
    with open_media(file) as container:
        for frame in container.decode(container.streams[index]):
            peak = float(np.maximum(peak, np.abs(frame.to_ndarray()).max()))
            if until is not None and (frame.time or 0.0) > until:
                break
    return peak


def _main_pictures(streams: Any) -> Any:
    """The video stream that players show; None where there is none.

    A cover picture does not count: one marked as such, or a single frame next to a video.
    """
    shown = [stream for stream in streams.video if not stream.disposition & Disposition.attached_pic]
    shown = [stream for stream in shown if stream.frames != 1] or shown
    if not shown:
        return None
    best = streams.best("video")
    return next((stream for stream in shown if stream.index == best.index), shown[0])


def _format(container: Any, file: Path) -> str:
    """A container's name as people say it."""
    name = container.format.name.split(",")[0]
    if name == "matroska":
        with open(file, "rb") as opened:
            return "WebM" if b"webm" in opened.read(64) else NAMES[name]  # its document type
    return NAMES.get(name, name.upper())
