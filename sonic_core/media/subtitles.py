"""Reads subtitles (SubRip and WebVTT) and writes them as a track of a video."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av

from sonic_core.errors import InputError
from sonic_core.media.container import open_media
from sonic_core.media.files import existing_file

MAX_BYTES = 4 << 20
MAX_CUES = 20_000
CHINESE = 0.6  # least share of bytes above 127 among the letters of Chinese text
MILLISECOND = Fraction(1, 1000)
TEXT_CODECS = {"mov_text", "subrip", "webvtt", "ass", "ssa", "text"}
TRACKS = {"mp4": "mov_text", "mov": "mov_text", "webm": "webvtt"}  # codec of a text track by muxer

TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
TIMES = re.compile(rf"^\s*{TIME}\s*-->\s*{TIME}")
MARKUP = re.compile(r"<[^<>]{0,200}>|\{\\[^{}]{0,200}\}")


@dataclass(frozen=True)
class Cue:
    """`text`, of one line or more, shown from `start` to `end`, in seconds."""

    start: float
    end: float
    text: str


def read_subtitles(path: str | Path) -> list[Cue]:
    """The cues of an .srt or .vtt file in order of time, without markup. Raises InputError."""
    file = existing_file(path, "subtitles")
    name = f"subtitles {file.name!r}"
    if file.stat().st_size > MAX_BYTES:
        raise InputError(f"{name} have {file.stat().st_size} bytes; the limit is {MAX_BYTES}")
    cues: list[Cue] = []
    lines = decoded(file.read_bytes()).splitlines()
    position = 0
    while position < len(lines):
        found = TIMES.match(lines[position])
        position += 1
        if not found:
            continue
        text = []
        while position < len(lines) and lines[position].strip() and not TIMES.match(lines[position]):
            text.append(html.unescape(MARKUP.sub("", lines[position])).strip())
            position += 1
        start, end = _seconds(found.groups()[:4]), _seconds(found.groups()[4:])
        if end > start and any(text):
            cues.append(Cue(start, end, "\n".join(line for line in text if line)))
    if not cues:
        raise InputError(f"{name} hold no cue that can be read; give an .srt or .vtt file")
    if len(cues) > MAX_CUES:
        raise InputError(f"{name} hold {len(cues)} cues; the limit is {MAX_CUES}")
    return sorted(cues, key=lambda cue: (cue.start, cue.end))


def embedded_subtitles(path: str | Path) -> list[Cue]:
    """The cues of a video's first text track, timed from its first picture; none where it has no such track."""
    cues: list[Cue] = []
    with open_media(existing_file(path, "video")) as container:
        streams = [stream for stream in container.streams.subtitles if stream.codec_context.name in TEXT_CODECS]
        if not streams:
            return []
        pictures = container.streams.video[0] if container.streams.video else None
        origin = float((pictures.start_time or 0) * pictures.time_base) if pictures is not None else 0.0
        for packet in container.demux(streams[0]):
            if packet.pts is None or len(cues) >= MAX_CUES:
                continue
            start = float(packet.pts * packet.time_base) - origin
            end = start + float((packet.duration or 0) * packet.time_base)
            lines = [line.dialogue.decode("utf-8", "replace") for line in packet.decode()]
            text = "\n".join(MARKUP.sub("", line).strip() for line in lines)
            if text.strip() and end > max(start, 0.0):
                cues.append(Cue(max(start, 0.0), end, text))
    return cues


def decoded(data: bytes) -> str:
    """The text, decoded as UTF-8 or UTF-16, or else as Windows' Chinese or western encoding."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    # Chinese text has few ASCII letters; that of western Europe is mostly made of them.
    high = sum(byte > 127 for byte in data)
    letters = high + sum(chr(byte).isalpha() for byte in data if byte < 128)
    try:
        return data.decode("gb18030" if high > CHINESE * letters else "cp1252")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def shown_at(cues: Sequence[Cue], time: float) -> tuple[Cue, ...]:
    """The cues on screen at a time."""
    return tuple(cue for cue in cues if cue.start <= time < cue.end)


class SubtitleTrack:
    """A text track of a container being written; `write_until` keeps pace with the pictures."""

    def __init__(self, container: Any, cues: Sequence[Cue], muxer: str):
        self.container, self.muxer = container, muxer
        self.stream = container.add_mux_stream(TRACKS[muxer])
        self.stream.time_base = MILLISECOND
        self.waiting: Iterator[Cue] = iter(without_overlaps(cues))
        self.next = next(self.waiting, None)

    def write_until(self, seconds: float) -> None:
        while self.next is not None and self.next.start <= seconds:
            text = self.next.text.encode()
            packet = av.Packet(len(text).to_bytes(2, "big") + text if self.muxer != "webm" else text)
            packet.stream, packet.time_base = self.stream, MILLISECOND
            packet.pts = packet.dts = round(self.next.start * 1000)
            packet.duration = round((self.next.end - self.next.start) * 1000)
            self.container.mux(packet)
            self.next = next(self.waiting, None)


def without_overlaps(cues: Sequence[Cue]) -> list[Cue]:
    """The cues without overlaps, as an MP4 text track needs them: overlapping ones become one cue for their overlap."""
    edges = sorted({edge for cue in cues for edge in (cue.start, cue.end)})
    parts: list[Cue] = []
    for start, end in pairwise(edges):
        text = "\n".join(cue.text for cue in cues if cue.start < end and cue.end > start)
        if parts and parts[-1].end == start and parts[-1].text == text:
            parts[-1] = Cue(parts[-1].start, end, text)
        elif text:
            parts.append(Cue(start, end, text))
    return parts


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = parts
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return whole + int((fraction or "0").ljust(3, "0")) / 1000
