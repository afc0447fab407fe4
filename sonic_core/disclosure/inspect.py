"""What a video file says of itself: streams, metadata, the `AIGC` record, content credentials. Decodes nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import av

from sonic_core.disclosure.c2pa import read_manifest
from sonic_core.disclosure.label import RECORD_KEY
from sonic_core.errors import InputError, MissingExtraError
from sonic_core.media.container import CONTAINER_KEYS, open_media
from sonic_core.media.files import existing_file

C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # the uuid box that holds a manifest in MP4
MAX_BOXES = 1000


def inspect(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A report of plain values, ready for JSON. Raises InputError for a file that is no video."""
    file = existing_file(path, "video")
    try:
        with open_media(file) as container:
            if not container.streams.video:
                raise InputError(f"{str(file)!r} holds no video; give a video file")
            report: dict[str, Any] = {
                "format": container.format.name,
                "seconds": None if container.duration is None else container.duration / av.time_base,
                "video": _video(container.streams.video[0]),
                "audio": [_audio(stream) for stream in container.streams.audio],
                "metadata": {k: v for k, v in container.metadata.items() if k not in CONTAINER_KEYS},
            }
    except av.FFmpegError as error:
        message = f"video {str(file)!r} cannot be read ({error.strerror}); give an MP4, MOV, MKV or WebM"
        raise InputError(message) from error
    report["aigc"] = parse_record(report["metadata"].get(RECORD_KEY))
    report["content_credentials"] = _credentials(file)
    return report


def parse_record(text: str | None) -> dict[str, Any] | None:
    """The fields of an `AIGC` record, None without one; one that is not the JSON it should be, under "unreadable"."""
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


def _video(stream: Any) -> dict[str, Any]:
    rate = stream.average_rate
    return {
        "codec": stream.codec_context.name,
        "width": stream.width,
        "height": stream.height,
        "fps": None if rate is None else float(rate),
        "frames": stream.frames or None,
    }


def _audio(stream: Any) -> dict[str, Any]:
    return {"codec": stream.codec_context.name, "rate": stream.rate, "channels": stream.channels}
