"""Reads the boxes of MP4 and MOV files that FFmpeg does not pass on: the sample description of each track."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MP4_STARTS = (b"ftyp", b"moov", b"wide", b"mdat", b"free", b"skip")  # types that the first box of a file may have
FOLDERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}
PROTECTED = {b"encv", b"enca", b"drmi", b"drms", b"aavd"}  # Common Encryption, FairPlay, Audible
MAX_BOXES = 10_000
MAX_DESCRIPTION = 8 << 20  # bytes of a sample description that are read


def is_protected(path: Path) -> bool:
    """Whether a track of an MP4 is encrypted against copying, so that it would decode to noise."""
    with open(path, "rb") as file:
        if file.read(8)[4:] not in MP4_STARTS:
            return False
        # Four bytes each of version, number of entries and size of the first entry come before its type.
        return any(description(file, *place)[12:16] in PROTECTED for place in sample_descriptions(file))


def sample_descriptions(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Position and size of the body of each track's `stsd` box."""
    yield from _sample_descriptions(file, 0, file.seek(0, 2))


def description(file: BinaryIO, start: int, size: int) -> bytes:
    """The body of a sample description."""
    file.seek(start)
    return file.read(min(size, MAX_DESCRIPTION))


def _sample_descriptions(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int]]:
    for _ in range(MAX_BOXES):
        if start + 8 > end:
            return
        file.seek(start)
        head = file.read(16)
        size, kind, body = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1:
            size, body = int.from_bytes(head[8:16], "big"), 16
        elif size == 0:
            size = end - start
        if size < body:
            return
        if kind in FOLDERS:
            yield from _sample_descriptions(file, start + body, min(start + size, end))
        elif kind == b"stsd":
            yield start + body, size - body
        start += size
