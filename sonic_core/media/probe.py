"""What a file from elsewhere is: a picture, a sound or a video. Read from its content, since names may lie.

Only formats of a short list are recognised: a playlist or a script of a demuxer could make it open other files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import av
from av.stream import Disposition
from PIL import Image, UnidentifiedImageError

from sonic_core.errors import InputError
from sonic_core.media.container import open_media

Kind = Literal["image", "audio", "video"]

IMAGE_FORMATS = ("JPEG", "PNG", "WEBP")
CONTAINERS = "mp3,wav,flac,ogg,mov,mp4,m4a,aac,matroska,webm,w64,aiff"
MAX_STREAMS = 8


def kind_of(path: Path) -> Kind:
    """The kind of a file, by its header; nothing is decoded. Raises InputError for any other kind of file."""
    if _is_picture(path):
        return "image"
    options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
    try:
        with open_media(path, options) as container:
            streams = container.streams
            moving = [stream for stream in streams.video if not _is_cover(stream)]
            if len(streams) <= MAX_STREAMS and (moving or streams.audio):
                return "video" if moving else "audio"
    except (av.FFmpegError, ValueError):
        pass  # said below, in words of ours
    raise InputError(
        f"{path.name!r} is neither a picture (JPEG, PNG, WebP) nor a sound (WAV, FLAC, MP3, OGG, M4A) nor a video "
        "(MP4, MOV, MKV, WebM); convert it first"
    )


def _is_cover(stream: Any) -> bool:
    """Whether a video stream is the cover picture of a sound, which does not make it a video."""
    return bool(stream.disposition & Disposition.attached_pic)


def _is_picture(path: Path) -> bool:
    try:
        with Image.open(path, formats=IMAGE_FORMATS):
            return True
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False
