"""The part of a stored picture that is to be shown, as its container says: `clap` in MP4, the crop in Matroska.

FFmpeg leaves cropping to the player and PyAV does not pass it on, so the few bytes are read here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sonic_core.media.mp4 import MP4_STARTS, description, sample_descriptions

MAX_ELEMENTS = 10_000
MAX_HEADER = 8 << 20  # bytes searched for a list of tracks

VISUAL_ENTRY = 78  # bytes of a visual sample entry in front of its boxes

SEGMENT, TRACKS, TRACK, VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0xE0
PIXEL_CROP = {0x54CC: "left", 0x54DD: "right", 0x54BB: "top", 0x54AA: "bottom"}


@dataclass(frozen=True)
class Cropping:
    """Pixels at each side that are not shown."""

    left: int = 0
    right: int = 0
    top: int = 0
    bottom: int = 0


def cropping_of(path: Path, width: int, height: int) -> Cropping:
    """The crop that the file gives for its (first) video of this size; no crop where it makes no sense."""
    with open(path, "rb") as file:
        head = file.read(12)
        try:
            if head[:4] == b"\x1aE\xdf\xa3":
                found = _matroska(file)
            elif head[4:8] in MP4_STARTS:
                found = _clean_aperture(file, width, height)
            else:
                found = None
        except (struct.error, IndexError, ZeroDivisionError):
            found = None  # a damaged header; FFmpeg reports what is wrong with the rest
    if found is None or min(found.left, found.right, found.top, found.bottom) < 0:
        return Cropping()
    fits = width - found.left - found.right >= 16 and height - found.top - found.bottom >= 16
    return found if fits else Cropping()


def _clean_aperture(file: BinaryIO, width: int, height: int) -> Cropping | None:
    for start, size in sample_descriptions(file):
        body = description(file, start, size)
        at = body.find(b"clap", 16 + VISUAL_ENTRY)
        if at < 0:
            continue
        values = struct.unpack(">IIIIiIiI", body[at + 4 : at + 36])
        wide, high, x, y = (values[i] / values[i + 1] for i in (0, 2, 4, 6))
        left = round(width / 2 + x - wide / 2)
        top = round(height / 2 + y - high / 2)
        return Cropping(left, width - left - round(wide), top, height - top - round(high))
    return None


def _matroska(file: BinaryIO) -> Cropping | None:
    """The crop of the first track that has one."""
    file.seek(0)
    data = file.read(MAX_HEADER)
    for _, segment in _elements(data, 0, len(data), SEGMENT):
        for _, tracks in _elements(data, *segment, TRACKS):
            for _, track in _elements(data, *tracks, TRACK):
                for _, video in _elements(data, *track, VIDEO):
                    sides = {
                        PIXEL_CROP[kind]: int.from_bytes(data[first:last], "big")
                        for kind, (first, last) in _elements(data, *video)
                        if kind in PIXEL_CROP
                    }
                    if sides:
                        return Cropping(**sides)
    return None


def _elements(data: bytes, start: int, end: int, wanted: int | None = None) -> Iterator[tuple[int, tuple[int, int]]]:
    """Id and (start, end) of the body of each EBML element in a range, or only of those with the id `wanted`."""
    for _ in range(MAX_ELEMENTS):
        if start >= end:
            return
        kind, start = _number(data, start, keep_marker=True)
        size, start = _number(data, start)
        stop = min(end, start + size) if size >= 0 else end
        if wanted is None or kind == wanted:
            yield kind, (start, stop)
        start = stop


def _number(data: bytes, at: int, keep_marker: bool = False) -> tuple[int, int]:
    """An EBML variable-length number and where it ends; -1 for a size that is not known."""
    first = data[at]
    length = 9 - first.bit_length()
    value = int.from_bytes(data[at : at + length], "big")
    if keep_marker:
        return value, at + length
    bits = (1 << (7 * length)) - 1
    value &= bits
    return (-1 if value == bits else value), at + length
