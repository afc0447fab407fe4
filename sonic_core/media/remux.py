"""A video file into another without touching its pictures: with other sound, other metadata, or as it is.

Metadata keys of the source, the `AIGC` record among them, go along. A C2PA signature does not: it is of the old file.
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from sonic_core.clip import Audio
from sonic_core.errors import InputError
from sonic_core.media.container import open_media
from sonic_core.media.files import existing_file, written_whole
from sonic_core.media.video import SoundEncoder

# The container writes these itself.
CONTAINER_KEYS = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})


def remux(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    audio: Audio | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Copy the video stream of `source` into the MP4 `target`; `audio` replaces its sound, `metadata` adds keys.

    Both may be the same path. Raises InputError for a file without video or a codec that MP4 cannot hold.
    """
    file = existing_file(source, "video")
    options = {"movflags": "use_metadata_tags+faststart"}
    try:
        with (
            written_whole(target) as temporary,
            open_media(file) as old,
            av.open(str(temporary), "w", format="mp4", container_options=options) as new,
        ):
            if not old.streams.video:
                raise InputError(f"{str(file)!r} holds no video; give a video file")
            new.metadata.update({k: v for k, v in old.metadata.items() if k not in CONTAINER_KEYS})
            new.metadata.update(metadata or {})
            _copy(old, new, audio)
    except av.FFmpegError as error:
        message = f"video {str(file)!r} cannot be copied into an MP4 ({error.strerror}); save it again first"
        raise InputError(message) from error
    return Path(target)


def _copy(old: Any, new: Any, audio: Audio | None) -> None:
    kept = [old.streams.video[0]]
    if audio is None and old.streams.audio:
        kept.append(old.streams.audio[0])
    copies = {stream.index: new.add_stream_from_template(stream, opaque=True) for stream in kept}
    sound = SoundEncoder(new, audio) if audio is not None else None
    for packet in old.demux(kept):
        if packet.dts is None:
            continue  # demuxing ends with empty packets
        seconds = Fraction(packet.dts) * packet.time_base
        packet.stream = copies[packet.stream.index]
        new.mux(packet)
        if sound is not None:
            sound.write_until(seconds)
    if sound is not None:
        sound.finish()
