"""Copies a video into another file without touching its pictures: as it is, or with other sound or metadata.

The metadata of the source is kept, the `AIGC` record among it. A C2PA signature is not: it belongs to the old file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from sonic_core.clip import Audio
from sonic_core.errors import InputError
from sonic_core.media.audio import sound_of
from sonic_core.media.container import CONTAINER_KEYS, local_name, open_media
from sonic_core.media.encoding import SoundEncoder
from sonic_core.media.files import written_whole
from sonic_core.media.probe import MAX_VIDEO_SECONDS, MediaInfo, probe
from sonic_core.media.timeline import joined

MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov"}
# Codecs that players of MP4 know; FFmpeg's muxer takes more.
PICTURES = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4"})
SOUNDS = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "alac", "flac"})


def can_copy(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> bool:
    """Whether the pictures of `source` can go into a file named `target` as they are. Raises InputError."""
    info = probe(source, "video")
    assert info.picture is not None
    return Path(target).suffix.lower() in MUXERS and info.picture.codec in PICTURES


def remux(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    audio: Audio | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Copy the streams of `source` into the MP4 or MOV `target`; `audio` replaces its sound, `metadata` adds keys.

    `audio` starts with the first frame, as a Clip's does; copied streams stay in sync. Sound in a codec that players of
    MP4 do not know is encoded again. Both paths may be the same. Raises InputError for a file
    without video or a codec that MP4 cannot hold.
    """
    info = probe(source, "video")
    if audio is None and info.sound is not None and info.sound.codec not in SOUNDS:
        audio = sound_of(info, MAX_VIDEO_SECONDS)
    muxer = MUXERS.get(Path(target).suffix.lower(), "mp4")
    options = {"movflags": "use_metadata_tags+faststart"}
    try:
        with (
            written_whole(target) as temporary,
            open_media(info.path) as old,
            av.open(local_name(temporary), "w", format=muxer, container_options=options) as new,
        ):
            new.metadata.update({k: v for k, v in old.metadata.items() if k not in CONTAINER_KEYS})
            new.metadata.update(metadata or {})
            _copy(info, old, new, audio)
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        message = f"video {info.path.name!r} cannot be copied into an MP4 ({reason}); save it again first"
        raise InputError(message) from error
    return Path(target)


def _copy(info: MediaInfo, old: Any, new: Any, audio: Audio | None) -> None:
    assert info.picture is not None
    kept = [old.streams[info.picture.index]]
    if audio is None:
        kept += old.streams.audio
    copies = {stream.index: new.add_stream_from_template(stream, opaque=True) for stream in kept}
    sound = SoundEncoder(new, audio) if audio is not None else None
    # The first picture may come a little before its tick; a picture before time 0 would be lost.
    origin = Fraction(min(info.picture.clock.origin, info.picture.start)).limit_denominator(10**6)
    last: dict[int, int] = {}
    for packet in _decodable(joined(old, old.demux(kept), info.shifts)):
        # The clip's time 0 is its origin, and the given sound starts there.
        moved = round(origin / packet.time_base)
        # Where recordings are joined, the decoding times of reordered frames overlap.
        index = packet.stream_index
        last[index] = packet.dts = max(packet.dts - moved, last.get(index, packet.dts - moved - 1) + 1)
        if packet.pts is not None:
            packet.pts = max(packet.pts - moved, packet.dts)
        seconds = Fraction(packet.dts) * packet.time_base
        packet.stream = copies[packet.stream.index]
        new.mux(packet)
        if sound is not None:
            sound.write_until(seconds)
    if sound is not None:
        sound.finish()


def _decodable(packets: Iterator[Any]) -> Iterator[Any]:
    """The packets, each with a decoding time. Matroska stores none, so FFmpeg lacks it for a stream's first packets."""
    waiting: dict[int, list[Any]] = {}
    for packet in packets:
        if packet.size == 0:
            continue  # demuxing ends with empty packets
        first = waiting.setdefault(packet.stream_index, [])
        if packet.dts is None:
            first.append(packet)
            continue
        for number, early in enumerate(first):
            early.dts = packet.dts - (len(first) - number) * max(1, packet.duration or 1)
            yield early
        first.clear()
        yield packet
    for rest in waiting.values():  # a stream of a few packets, none with a decoding time
        for packet in rest:
            packet.dts = packet.pts
            yield packet
