"""The colour space that a picture file names without an ICC profile: HDR and wide gamut in PNG, AVIF and HEIC.

The files name it by the numbers of ITU-T H.273, which Pillow does not pass on.
"""

from __future__ import annotations

import struct
from pathlib import Path

from sonic_core.media.png import SIGNATURE

HEAD = 64 << 10  # bytes at the start of a file that are searched


def colour_tags(path: Path) -> tuple[int, int] | None:
    """Transfer characteristics and primaries by ITU-T H.273; None where the file does not name them."""
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if head.startswith(SIGNATURE):
        at = head.find(b"\0\0\0\4cICP")
        if at < 0:
            return None
        primaries, transfer = head[at + 8 : at + 10]
        return transfer, primaries
    at = head.find(b"colrnclx") if head[4:8] == b"ftyp" else -1
    if at < 0:
        return None
    primaries, transfer = struct.unpack(">HH", head[at + 8 : at + 12])
    return transfer, primaries
