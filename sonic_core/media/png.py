"""Opens PNG files without their texts."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXT = (b"tEXt", b"zTXt", b"iTXt")
ORIENTED = (b"XML:com.adobe.xmp", b"Raw profile type exif")  # keywords of texts that may give the orientation
MAX_KEPT = 512 << 20  # bytes of a file that are copied


def without_text(path: Path) -> Path | BytesIO:
    """A copy of a PNG in memory without its texts; the path itself for a PNG without any, or for another file.

    Pillow refuses the whole picture for a text of more than a megabyte that is compressed, as large ComfyUI workflows
    are, or for the wrong checksum of a text.
    """
    with open(path, "rb") as file:
        if file.read(8) != SIGNATURE:
            return path
        kept, total, left_out = [(0, 8)], 8, False
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            start = file.tell() - 8
            if kind in TEXT and not file.read(min(length, 32)).startswith(ORIENTED):
                left_out = True
            else:
                kept.append((start, length + 12))
                total += length + 12
            file.seek(start + length + 12)
        if not left_out or total > MAX_KEPT:
            return path
        copy = BytesIO()
        for start, length in kept:
            file.seek(start)
            copy.write(file.read(length))
    copy.seek(0)
    return copy
