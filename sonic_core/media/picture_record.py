"""Writes metadata into animated PNG (text chunks) and WebP (an XMP packet), since FFmpeg's muxers write none."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

NAMESPACE = "urn:sonic-studio:metadata:"
HEADER_END = 33  # of a PNG: its signature and the IHDR chunk
XMP_FLAG = 0x04  # in the first byte of WebP's VP8X chunk


def write_metadata(path: Path, muxer: str, metadata: Mapping[str, str]) -> None:
    """Add names and values to a finished file of the muxer "apng" or "webp"; leave other files alone."""
    if not metadata or muxer not in ("apng", "webp"):
        return
    data = path.read_bytes()
    path.write_bytes(with_text(data, metadata) if muxer == "apng" else with_xmp(data, metadata))


def with_text(data: bytes, metadata: Mapping[str, str]) -> bytes:
    """The PNG with an iTXt chunk for each value after its header."""
    chunks = (png_chunk(b"iTXt", f"{key}\0\0\0\0\0{value}".encode()) for key, value in metadata.items())
    return with_chunks(data, *chunks)


def with_chunks(data: bytes, *chunks: bytes) -> bytes:
    """The PNG with chunks, as `png_chunk` makes them, after its header."""
    return data[:HEADER_END] + b"".join(chunks) + data[HEADER_END:]


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_xmp(data: bytes, metadata: Mapping[str, str]) -> bytes:
    """The WebP, in the extended format, with an XMP packet at its end."""
    if data[12:16] != b"VP8X":
        return data
    values = " ".join(f"sonic:{key}={quoteattr(value)}" for key, value in metadata.items())
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:sonic="{NAMESPACE}" {values}/></rdf:RDF></x:xmpmeta>'
    ).encode()
    chunk = b"XMP " + struct.pack("<I", len(packet)) + packet + b"\0" * (len(packet) % 2)
    body = data[8:20] + bytes([data[20] | XMP_FLAG]) + data[21:] + chunk
    return b"RIFF" + struct.pack("<I", len(body)) + body
