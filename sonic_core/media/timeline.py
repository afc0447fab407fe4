"""Finds when each frame of a video is shown and how long a sound lasts, by walking through all packets of a file.

Headers are not trusted: browsers write none, and interrupted recordings have wrong ones. Nothing is decoded here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

logger = logging.getLogger(__name__)

MAX_FPS = 120
LOWEST_FPS = 10
MAX_PIXEL_RATE = 1920 * 1088 * MAX_FPS  # the most pixels a second to which an irregular video is resampled
USUAL_FPS = tuple(
    Fraction(rate)
    for rate in ("10", "12", "12.5", "15", "20", "24000/1001", "24", "25", "30000/1001", "30", "48", "50",
                 "60000/1001", "60", "100", "120000/1001", "120")
)  # fmt: skip
EXACT = 0.0011  # seconds: time stamps of Matroska are whole milliseconds
CLOSE = 0.0045  # seconds a frame may be moved to fall on a constant rate
NEAR = Fraction(2, 1000)  # relative error of a file's rate against the usual rate it stands for
MANY_TIMES = 2.5  # a rate so many times as high as one that is close enough is not taken, though it is exact
STRAY = 0.01  # share of frames that may be off the constant rate

# Sound that precedes the first picture by no more than this is the encoder's priming and is cut.
PRIMING = 0.05


@dataclass(frozen=True)
class Span:
    """The time that the packets of one stream cover, in seconds of the file's clock."""

    start: float
    end: float
    times: np.ndarray  # (n,) when each packet is presented, sorted

    @property
    def seconds(self) -> float:
        return self.end - self.start


class TooLongError(Exception):
    """A stream goes on past the limit; `seconds` is how far it was followed."""

    def __init__(self, seconds: float):
        super().__init__(seconds)
        self.seconds = seconds


# Formats in which appending one file to another joins the recordings: time stamps jump where the next one begins.
JOINABLE = ("mpegts", "mpeg", "ogg")
BACK, FORTH = 0.5, 10.0  # seconds; larger jumps are joins, not reordered frames or pauses


def joined(container: Any, packets: Iterable[Any], shifts: list[float], find: bool = False) -> Iterator[Any]:
    """The packets of a file; in a joined one, each further recording is moved to the end of the one before it.

    `shifts` says by how many seconds each recording is moved, the first by 0; with `find`, they are found and appended.
    """
    packets = _until_damage(container, packets, say=find)
    if container.format.name not in JOINABLE:
        yield from packets
        return
    last: dict[int, float] = {}
    part: dict[int, int] = {}
    end = 0.0  # of everything so far
    for packet in packets:
        if packet.dts is None:
            yield packet
            continue
        index, base = packet.stream_index, packet.time_base
        time = float(packet.dts * base)
        shown = time if packet.pts is None else float(packet.pts * base)
        before = last.get(index, time)
        if time < before - BACK or time > before + FORTH:
            part[index] = part.get(index, 0) + 1
            if find and part[index] == len(shifts):
                shifts.append(end - shown)
        last[index] = time
        shift = shifts[min(part.get(index, 0), len(shifts) - 1)]
        if shift:
            packet.dts += round(shift / base)
            if packet.pts is not None:
                packet.pts += round(shift / base)
        end = max(end, shown + shift + float((packet.duration or 0) * base))
        yield packet


def _until_damage(container: Any, packets: Iterable[Any], say: bool) -> Iterator[Any]:
    """The packets up to where FFmpeg cannot continue. Raises av.FFmpegError if that is at the start."""
    count = 0
    try:
        for count, packet in enumerate(packets, 1):  # noqa: B007
            yield packet
    except av.FFmpegError as error:
        if not count:
            raise
        if say:
            logger.warning("%s cannot be read to its end: %s", Path(container.name).name, error.strerror)


def spans(
    container: Any, streams: list[Any], limit: float, shifts: list[float], until: float | None = None
) -> dict[int, Span]:
    """The span of each stream that has packets, by the stream's index. Raises TooLongError as soon as one is too long.

    With `until`, the walk ends after that many seconds. The shifts of joined recordings are appended to `shifts`; see
    `joined`.
    """
    times: dict[int, list[float]] = {stream.index: [] for stream in streams}
    ends: dict[int, float] = {}
    first: dict[int, float] = {}
    open_ended: dict[int, float] = {}  # start of the last packet among those without a duration
    for packet in joined(container, container.demux(streams), shifts, find=True):
        if packet.size == 0 or packet.is_discard or packet.time_base is None:
            continue  # the end of the file, or cut by an edit list
        index, base = packet.stream_index, packet.time_base
        at = packet.pts if packet.pts is not None else packet.dts
        # Raw streams have no time stamps: each packet follows the one before.
        time = ends.get(index, 0.0) if at is None else float(at * base)
        end = time + float((packet.duration or 0) * base)
        times[index].append(time)
        if not packet.duration:
            open_ended[index] = max(open_ended.get(index, time), time)
        first[index] = min(first.get(index, time), time)
        ends[index] = max(ends.get(index, end), end)
        if until is not None and min(ends.get(s.index, 0) - first.get(s.index, 0) for s in streams) > until:
            break
        if ends[index] - first[index] > limit:
            raise TooLongError(ends[index] - first[index])
    return {index: _span(row, ends[index], open_ended.get(index)) for index, row in times.items() if row}


def _span(times: list[float], end: float, open_ended: float | None) -> Span:
    """The span of packets at `times`; one that begins at `open_ended` lasts as long as the others do."""
    shown = np.unique(np.array(times))
    if open_ended is not None:
        end = max(end, open_ended + (float(np.median(np.diff(shown))) if len(shown) > 1 else 0.0))
    return Span(float(shown[0]), end, shown)


@dataclass(frozen=True)
class Rate:
    """A constant rate: ticks are at `phase` + k / fps, seconds of the file. `exact`: the frames are on them already."""

    fps: Fraction
    phase: float
    exact: bool


def constant_rate(times: np.ndarray, said: list[Fraction | None], pixels: int) -> Rate:
    """The constant frame rate for frames shown at `times` (n,).

    A rate that the file names is taken if the frames agree with it. Frames of varying rate get the lowest usual rate
    that moves none of them by more than CLOSE or, failing that, the highest that `pixels` a frame allow.
    """
    given = [rate.limit_denominator(1001) for rate in said if rate is not None and 0 < rate <= 240]
    if len(times) < 2:
        return Rate((given or [Fraction(25)])[0], float(times[0]), True)
    # A rate computed from whole milliseconds is a little off the usual rate.
    near = [
        usual
        for rate in given
        for usual in sorted(USUAL_FPS, key=lambda usual: abs(usual - rate))
        if abs(usual - rate) < NEAR * rate
    ]
    mean = Fraction((len(times) - 1) / float(times[-1] - times[0])).limit_denominator(1001)
    candidates = [*near, *given, *USUAL_FPS, mean]
    exact, close = (_first_fit(times, candidates, tolerance) for tolerance in (EXACT, CLOSE))
    # A GIF of 30 frames a second has its times in hundredths: no reason to show each frame three times.
    if exact is not None and (close is None or exact.fps <= MANY_TIMES * close.fps):
        return exact
    if close is not None:
        return close
    highest = MAX_PIXEL_RATE / max(pixels, 1)
    possible = [rate for rate in USUAL_FPS if rate <= highest]
    return Rate((possible or [Fraction(30)])[-1], float(times[0]), False)


def _first_fit(times: np.ndarray, rates: list[Fraction], tolerance: float) -> Rate | None:
    """The first of the rates on whose ticks the frames fall."""
    for rate in rates:
        for phase in (float(times[0]), _phase(times, rate)):
            if _fits(times, rate, phase, tolerance):
                return Rate(_without_empty_ticks(times, rate, phase, tolerance), phase, tolerance == EXACT)
    return None


def _phase(times: np.ndarray, rate: Fraction) -> float:
    """The phase of the ticks of `rate`, near the first frame: the circular mean of the frames' own phases."""
    turn = np.exp(2j * np.pi * ((times - times[0]) * float(rate) % 1)).mean()
    return float(times[0] + np.angle(turn) / (2 * np.pi * float(rate)))


def _fits(times: np.ndarray, rate: Fraction, phase: float, tolerance: float) -> bool:
    """Whether almost every frame falls on a tick of its own."""
    ticks = (times - phase) * float(rate)
    nearest = np.round(ticks)
    off = np.abs(ticks - nearest) / float(rate) > tolerance
    allowed = STRAY * len(times) + (len(times) > 10)
    return off.sum() <= allowed and (np.diff(nearest) <= 0).sum() <= allowed


def _without_empty_ticks(times: np.ndarray, rate: Fraction, phase: float, tolerance: float) -> Fraction:
    """The rate, or a fraction of it (at least LOWEST_FPS) if frames fall on every second or third tick only."""
    step = round(float(np.median(np.diff(times))) * float(rate))
    less = rate / max(step, 1)
    return less if less >= LOWEST_FPS and _fits(times, less, phase, tolerance) else rate


@dataclass(frozen=True)
class Clock:
    """How a video's constant-rate frames and its sound lie on the file's clock.

    Tick k is shown from `origin` + k / fps on. `origin` is the tick of the first frame, or whole ticks earlier if the
    sound begins before it; the first frame is shown until then.
    """

    origin: float
    fps: Fraction
    frame_count: int
    constant: bool


def make_clock(pictures: Span, sound: Span | None, rate: Rate) -> Clock:
    """The clock of a video, with or without sound."""
    tick = 1 / float(rate.fps)
    start = rate.phase + round((pictures.start - rate.phase) / tick) * tick
    early = 0.0 if sound is None else start - sound.start
    held = 0 if early <= max(PRIMING, tick) else int(np.ceil(early / tick - 1e-6))
    count = max(1, round((pictures.end - start) / tick)) + held
    return Clock(start - held * tick, rate.fps, count, rate.exact)
