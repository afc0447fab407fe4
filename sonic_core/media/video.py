"""Opens any video file as a lazy Clip; `save_video` writes one."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import av

from sonic_core.clip import Audio, Clip
from sonic_core.errors import InputError
from sonic_core.media.audio import sound_of
from sonic_core.media.container import decoder_of, open_media
from sonic_core.media.encoding import QUALITIES, save_video
from sonic_core.media.picture import Conversion, View, seen
from sonic_core.media.prefetch import WORKERS, computed
from sonic_core.media.probe import MAX_VIDEO_SECONDS, MediaInfo, probe
from sonic_core.media.timeline import joined

__all__ = ["QUALITIES", "open_video", "save_video"]

logger = logging.getLogger(__name__)

MAX_PIXELS_AT_WORK = 34_000_000  # converted at a time: four frames of 4K, which take 300 MB


def open_video(path: str | os.PathLike[str], with_audio: bool = True, short_side: int | None = None) -> Clip:
    """A video file as a lazy Clip: its pictures as they are meant to be seen, and its sound on the same clock.

    Frames of varying rate are put on the ticks of the constant rate that moves them least. Sound is read at once.
    With `short_side`, pictures are read at a half, a quarter or an eighth of their size, so that their short side comes
    near it; that costs little more than decoding them. Raises InputError for a file without a usable video stream.
    """
    info = probe(path, "video")
    assert info.picture is not None  # or `probe` would have refused it
    clock, view = info.picture.clock, info.picture.view
    if short_side is not None:
        view = view.reduced(short_side)
    if not clock.constant:
        logger.info("%s: its frame rate varies; it is read at %.3f frames a second", info.path.name, clock.fps)
    audio: Audio | None = sound_of(info, MAX_VIDEO_SECONDS) if with_audio and info.sound is not None else None
    width, height = view.size
    workers = max(1, min(WORKERS, MAX_PIXELS_AT_WORK // (view.stored[0] * view.stored[1])))
    return Clip(
        width,
        height,
        clock.frame_count,
        clock.fps,
        lambda: (picture[None] for picture in computed(_at_constant_rate(info, view), workers)),
        audio,
        info.metadata,
    )


def _at_constant_rate(info: MediaInfo, view: View) -> Iterator[Conversion]:
    """The frame shown at each tick, `frame_count` of them; frames that are not shown are not converted."""
    assert info.picture is not None
    clock = info.picture.clock
    tick = 1 / float(clock.fps)
    given, expected = 0, clock.origin
    current: Conversion | None = None
    with open_media(info.path) as container:
        stream = container.streams[info.picture.index]
        for time, conversion in seen(_decoded(container, stream, info.shifts), view):
            time = expected if time is None else time
            # A frame goes to the tick nearest to its time, which keeps rounded time stamps on their own tick.
            while current is not None and given < clock.frame_count and (given + 0.5) * tick <= time - clock.origin:
                yield current
                given += 1
            current, expected = conversion, time + tick
            if given == clock.frame_count:
                return
    if current is None:
        raise InputError(f"video {info.path.name!r} has no frame that can be decoded; export or download it again")
    for _ in range(given, clock.frame_count):
        yield current


def _decoded(container: Any, stream: Any, shifts: list[float]) -> Iterator[Any]:
    """All frames that decode; a damaged packet is skipped, so the frame before it stays on."""
    decode = decoder_of(stream)
    for packet in joined(container, container.demux(stream), shifts):
        try:
            yield from decode(packet)
        except av.FFmpegError:
            continue
