"""Opening media files by their content: any name, no network, and only demuxers that open no other file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import av

# A title that is not UTF-8 must not make a file unreadable. PyAV 19 reads it anyway and has no such option.
METADATA = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}

# Playlists (hls, dash, concat), image sequences and scripts are left out: they name other files to open.
FORMATS = (
    "aac", "ac3", "aiff", "amr", "ape", "apng", "asf", "au", "avi", "caf", "dts", "dv", "eac3", "flac", "flv", "gif",
    "ivf", "loas", "matroska", "mov", "mp3", "mpeg", "mpegts", "mpegvideo", "mxf", "nistsphere", "ogg", "rm", "tak",
    "truehd", "tta", "voc", "w64", "wav", "webm", "wv", "yuv4mpegpipe",
    "3g2", "3gp", "m4a", "mj2", "mp4",
)  # fmt: skip

LIBVPX = {"vp8": "libvpx", "vp9": "libvpx-vp9"}

# The muxer writes these keys itself.
CONTAINER_KEYS = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})


@contextmanager
def open_media(path: str | os.PathLike[str]) -> Iterator[Any]:
    """A PyAV container to read from. Raises av.FFmpegError."""
    options = {"format_whitelist": ",".join(FORMATS)}
    name = local_name(path)
    if is_utf8(name):
        with av.open(name, options={**options, "protocol_whitelist": "file"}, **METADATA) as container:  # type: ignore[call-overload]
            yield container
        return
    with open(path, "rb") as file, av.open(file, options=options, **METADATA) as container:  # type: ignore[call-overload]
        yield container


def decoder_of(stream: Any) -> Callable[[Any], list[Any]]:
    """A function that decodes a packet of a video stream and returns the frames that are ready.

    FFmpeg's own decoders of VP8 and VP9 drop alpha, which would reveal what is transparent; those of libvpx keep it.
    """
    library = LIBVPX.get(stream.codec_context.codec.canonical_name)
    if library in av.codecs_available and stream.metadata.get("alpha_mode") == "1":
        return av.CodecContext.create(library, "r").decode  # type: ignore[no-any-return, attr-defined]
    stream.thread_type = "AUTO"
    return lambda packet: packet.decode()  # type: ignore[no-any-return]


def local_name(path: str | os.PathLike[str]) -> str:
    """A name that FFmpeg reads as a local file's, whatever colons, dashes or per cent signs it has."""
    return "file:" + os.path.abspath(os.fspath(path))


def is_utf8(name: str) -> bool:
    """Whether PyAV can pass the name on; a name in another encoding has surrogates in it."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
