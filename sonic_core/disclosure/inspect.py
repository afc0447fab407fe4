"""What a video file says about itself: streams, metadata, the `AIGC` record, content credentials."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from sonic_core.disclosure.c2pa import read_manifest
from sonic_core.disclosure.label import RECORD_KEY
from sonic_core.errors import MissingExtraError
from sonic_core.media.container import CONTAINER_KEYS, open_media
from sonic_core.media.cropping import Cropping
from sonic_core.media.probe import PictureInfo, probe

C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # the uuid box that holds a manifest in MP4
MAX_BOXES = 1000


def inspect(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A report of plain values, ready for JSON. Raises InputError for a file that is not a video."""
    info = probe(path, "video")
    assert info.picture is not None
    with open_media(info.path) as container:
        report: dict[str, Any] = {
            "format": container.format.name,
            "seconds": info.seconds,
            "video": _video(info.picture),
            "stored": _stored(info.picture),
            "audio": [_audio(stream) for stream in container.streams.audio],
            "metadata": {k: v for k, v in info.metadata.items() if k not in CONTAINER_KEYS},
        }
    if info.sound is not None:
        report["sound_starts"] = round(info.sound.span.start - info.picture.clock.origin, 4)
    report["aigc"] = parse_record(report["metadata"].get(RECORD_KEY))
    report["content_credentials"] = _credentials(info.path)
    return report


def parse_record(text: str | None) -> dict[str, Any] | None:
    """The fields of an `AIGC` record; None without one. Other text than JSON comes back under "unreadable"."""
    if text is None:
        return None
    try:
        fields = json.loads(text)
    except json.JSONDecodeError:
        fields = None
    return fields if isinstance(fields, dict) else {"unreadable": text[:1000]}


def has_manifest(path: Path) -> bool:
    """Whether an MP4 has a C2PA box, read from its outermost boxes alone."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        position = 0
        for _ in range(MAX_BOXES):
            file.seek(position)
            head = file.read(16)
            if len(head) < 8:
                return False
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            body = 8
            if length == 1:
                length, body = int.from_bytes(head[8:16], "big"), 16
            if kind == b"uuid":
                file.seek(position + body)
                if file.read(16) == C2PA_BOX:
                    return True
            if length < body or position + length >= size:
                return False
            position += length
    return False


def _credentials(path: Path) -> dict[str, Any] | None:
    if not has_manifest(path):
        return None
    try:
        return read_manifest(path)
    except MissingExtraError as error:
        return {"state": "not checked", "reason": str(error)}


def _video(picture: PictureInfo) -> dict[str, Any]:
    """The stream as it is read: upright, with square pixels, at a constant rate."""
    width, height = picture.view.size
    clock = picture.clock
    return {
        "codec": picture.codec, "width": width, "height": height, "fps": float(clock.fps), "frames": clock.frame_count
    }  # fmt: skip


def _stored(picture: PictureInfo) -> dict[str, Any]:
    """What the stored frames need when they are read: rotation, square pixels, deinterlacing and the like."""
    view = picture.view
    return {
        "size": list(view.stored),
        "rotation": view.orientation.degrees,
        "mirrored": view.orientation.mirrored,
        "square_pixels": view.square == view.stored,
        "cropped": view.crop != Cropping(),
        "interlaced": picture.interlaced,
        "constant_rate": picture.clock.constant,
        "colour": picture.colour,
    }


def _audio(stream: Any) -> dict[str, Any]:
    return {"codec": stream.codec_context.codec.canonical_name, "rate": stream.rate, "channels": stream.channels}
