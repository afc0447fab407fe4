"""Finds what there is of a photo whose file is cut off, or ends in zeros, as a broken download leaves it.

Decoders fill the rest with grey, black or garbage, and not all of them say so. JPEG and WebP files are completed in two
ways: the rows that come out alike were in the file. The rows of a PNG are counted.
"""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from sonic_core.media.file_type import is_avif, is_heif
from sonic_core.media.picture_record import png_chunk
from sonic_core.media.png import MAX_KEPT, SIGNATURE

MAX_PIXELS = 80_000_000  # of any photo: 240 MB as RGB; a 61 megapixel camera fits
# So many zeros at the end are suspicious in a WebP, which is then looked at, and are damage in a HEIC or AVIF.
FEW_ZEROS, MANY_ZEROS = 16, 256
FILLER = b"\x55" * 4096
PIECE = 65_536  # bytes of a PNG that are inflated at a time
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # of JPEG: not a stuffed zero, a fill byte or a restart
START_OF_IMAGE, START_OF_SCAN, END_OF_IMAGE = 0xD8, 0xDA, 0xD9
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers that start a frame
PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
UNKNOWN = 99  # more than the lowest bit that any scan gives
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel of a PNG, by its type of colour


@dataclass(frozen=True)
class Remains:
    """What there is of a picture that is cut off: a file that opens, and how many of its rows, from the top, are good.

    Rows are counted as they are stored, before any rotation; 0 where the part that is missing cannot be told. With
    `coarse`, all rows are there, but the lower ones lack their finest detail.
    """

    file: BytesIO
    rows: int
    coarse: bool = False


def remains_of(path: Path) -> Remains | None:
    """What there is of a cut-off JPEG, PNG, WebP, HEIC or AVIF; None for a whole picture and for other files."""
    with open(path, "rb") as file:
        data = file.read(64)
        if is_heif(data) or is_avif(data):
            find = _of_boxes
        elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            find = _of_webp
        elif data.startswith(SIGNATURE):
            find = _of_png
        elif data.startswith(bytes([0xFF, START_OF_IMAGE, 0xFF])):
            find = _of_jpeg
        else:
            return None
        data += file.read(MAX_KEPT)
    return find(data) if len(data) < MAX_KEPT else None


def _of_jpeg(data: bytes) -> Remains | None:
    exact: dict[int, np.ndarray] = {}  # the lowest bit known so far of each component's coefficients
    progressive = scanned = False
    for marker, segment in _segments(data.rstrip(b"\0")):
        if marker == END_OF_IMAGE:
            return None
        if marker in FRAMES:
            progressive = marker in PROGRESSIVE
            exact = {component: np.full(64, UNKNOWN) for component in segment[6::3]}
        if marker == START_OF_SCAN and len(segment) >= 4:
            scanned, count = True, segment[0]
            first, last, bits = segment[-3:] if progressive else (0, 63, 0)
            for component in segment[1 : 1 + 2 * count : 2]:
                exact.get(component, np.zeros(64))[first : last + 1] = bits & 15
    if not scanned:
        return None
    end = bytes([0xFF, END_OF_IMAGE])
    data = data.rstrip(b"\0\xff")  # half a marker would make one with what follows
    completed = BytesIO(data + end)
    if any(known.any() for known in exact.values()):  # whole scans are missing
        return Remains(completed, 0)
    rows, height = _rows_alike(data + end, data + FILLER + end)
    return Remains(completed, height, coarse=rows < height) if progressive else Remains(completed, rows)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The markers of the first picture in a JPEG with the content of their segments, up to its end where it has one."""
    place = 2
    while (found := MARKER.search(data, place)) is not None:
        marker, place = data[found.start() + 1], found.end()
        if marker == END_OF_IMAGE:
            yield marker, b""
            return
        if place + 2 > len(data):
            return
        (length,) = struct.unpack_from(">H", data, place)
        yield marker, data[place + 2 : place + length]
        place += length


def _of_webp(data: bytes) -> Remains | None:
    (size,) = struct.unpack_from("<I", data, 4)
    whole = len(data) >= size + 8
    if whole and not data[: size + 8].endswith(bytes(FEW_ZEROS)):
        return None
    data = data[: size + 8].rstrip(b"\0")
    place, kind = 12, b""  # where the chunk that is cut off begins, and what it holds
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        if place + 8 + length > len(data):
            break
        place, kind = place + 8 + length + length % 2, b""
    if kind in (b"VP8 ", b"VP8L"):
        content = data[place + 8 :]
        one, other = (_webp(data[:place], kind, content + rest) for rest in (bytes(len(FILLER)), FILLER))
    elif whole:
        return None  # zeros in the metadata
    else:
        one = other = _webp(data[:place])  # without the metadata that are cut off
    rows, _ = _rows_alike(one, other)
    return Remains(BytesIO(one), rows)


def _webp(start: bytes, kind: bytes = b"", content: bytes = b"") -> bytes:
    """A WebP that begins with `start` and may end with one more chunk."""
    content += bytes(len(content) % 2)
    data = start + (struct.pack("<4sI", kind, len(content)) + content if kind else b"")
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


def _rows_alike(one: bytes, other: bytes) -> tuple[int, int]:
    """How many rows, from the top, two picture files have in common, and how many there are; 0 if one does not open."""
    pictures = []
    for data in (one, other):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                with Image.open(BytesIO(data)) as image:
                    if image.width * image.height > MAX_PIXELS:
                        return 0, image.height
                    pictures.append(np.asarray(image))
            except (OSError, ValueError, SyntaxError):
                return 0, 0
    differ = (pictures[0] != pictures[1]).reshape(len(pictures[0]), -1).any(1)
    return int(differ.argmax()) if differ.any() else len(differ), len(differ)


def _of_png(data: bytes) -> Remains | None:
    data = data.rstrip(b"\0")
    place, start, parts = len(SIGNATURE), 0, []
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind in (b"IEND", b"acTL"):  # whole, or an animation
            return None
        if kind == b"IDAT":
            start = start or place
            parts.append(data[place + 8 : place + 8 + length])
        place += length + 12
    if not start:
        return None
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    if interlaced or colour not in SAMPLES or width * height > MAX_PIXELS:
        return Remains(BytesIO(data), 0)
    line = 1 + -(-width * depth * SAMPLES[colour] // 8)  # bytes; the first tells the filter
    samples = _inflated(b"".join(parts), line * height)
    rows = len(samples) // line
    samples = samples[: rows * line] + bytes((height - rows) * line)
    image = png_chunk(b"IDAT", zlib.compress(samples, 1)) + png_chunk(b"IEND", b"")
    return Remains(BytesIO(data[:start] + image), rows)


def _inflated(data: bytes, most: int) -> bytes:
    """What can be inflated of zlib data that is cut off, up to `most` bytes."""
    inflater, found = zlib.decompressobj(), bytearray()
    for place in range(0, len(data), PIECE):
        if len(found) >= most:
            break
        try:
            found += inflater.decompress(data[place : place + PIECE], most - len(found))
        except zlib.error:
            break
    return bytes(found)


def _of_boxes(data: bytes) -> Remains | None:
    """HEIC and AVIF: only whether something is missing."""
    place = end = 0  # `end` of the last box with content
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        if kind == bytes(4):  # zeros behind the file
            break
        if size == 1 and place + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, place + 8)
        place = place + size if size >= 8 else len(data)
        if kind not in (b"free", b"skip"):
            end = place
    return Remains(BytesIO(data), 0) if end > len(data) or data[:end].endswith(bytes(MANY_ZEROS)) else None
