"""Decodes a file's sound and places it by its time stamps: gaps become silence, an overlap overwrites.

Time stamps are rounded, and jitter in live recordings. So a block follows directly on the one before it, unless its
time stamp and those after it agree that it does not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from statistics import median
from typing import Any

import av
import numpy as np

from sonic_core.clip import Audio
from sonic_core.errors import InputError
from sonic_core.media.channels import downmixed
from sonic_core.media.stored_sound import SampleStore, resampled
from sonic_core.media.timeline import TooLongError, joined

MAX_RATE = 48_000
HIGHEST = 2.0**31  # the highest peak: of 32-bit integers stored as floats
LOOKAHEAD = 12  # blocks whose time stamps are considered before one is moved
OFF = 0.002  # seconds by which sound may be off its time stamps
STRETCHED = 0.006  # seconds of drift that stretching a block makes up for; silence makes up for more


def check_peak(peak: float, name: str) -> None:
    """Raise InputError for the peak of samples that are no sound, as floats may be."""
    if not np.isfinite(peak):
        raise InputError(f"{name} has samples that are not finite (NaN or infinity); export it again")
    if peak > HIGHEST:
        raise InputError(f"{name} has samples of {peak:.3g}, where full scale is 1; export it again")


def decode_sound(
    container: Any,
    stream: Any,
    limit: float,
    shifts: list[float],
    origin: float | None = None,
    every_channel: bool = False,
    until: float | None = None,
) -> Audio | None:
    """The whole sound of a stream, at its rate up to 48 kHz; None when nothing can be decoded.

    In mono or stereo, unless `every_channel` is wanted.

    It starts at `origin` seconds of the file's clock, or where the stream begins if that is None: a later beginning is
    preceded by silence, an earlier one is cut. With `until`, it ends about that many seconds later. Long sound lies on
    disk. Raises TooLongError once it is longer than `limit` seconds. `shifts`: see `timeline.joined`.
    """
    blocks = _blocks(container, stream, shifts, every_channel)
    first = next(blocks, None)
    if first is None:
        return None
    rate = first[2]
    same_rate = ((time, samples) for time, samples, _ in chain([first], blocks))
    late = 0 if origin is None else round(((first[0] or 0.0) - origin) * rate)
    store = SampleStore(first[1].shape[0])
    for position, block in placed(same_rate, rate):
        if until is not None and position + late > until * rate:
            break
        if position + block.shape[1] > limit * rate:
            raise TooLongError((position + block.shape[1]) / rate)
        if position + late + block.shape[1] > 0:
            store.write(position + late, block)
    return resampled(store.audio(rate), min(rate, MAX_RATE))


def placed(blocks: Iterable[tuple[float | None, np.ndarray]], rate: int) -> Iterator[tuple[int, np.ndarray]]:
    """The position of each block, in samples after the first, and the block, stretched where that makes up for drift.

    `blocks` are time stamps in seconds (None: right after the block before) and samples (channels, n).
    """
    waiting: deque[tuple[float, np.ndarray]] = deque()
    zero: float | None = None
    heard = 0  # samples of all blocks already placed
    moved = 0  # samples by which time stamps have moved blocks so far
    source = iter(blocks)
    more = True
    while more or waiting:
        while more and len(waiting) < LOOKAHEAD:
            block = next(source, None)
            if block is None:
                more = False
                break
            time, samples = block
            ahead = heard + sum(waited.shape[1] for _, waited in waiting)
            zero = (time or 0.0) if zero is None else zero
            # How far its time stamp is from where it would follow on, in samples.
            off = float(moved) if time is None else (time - zero) * rate - ahead
            waiting.append((off, samples))
        if not waiting:
            return
        samples = waiting[0][1]
        wanted = median(off for off, _ in waiting)
        shift = wanted - moved
        if abs(shift) > OFF * rate and abs(waiting[0][0] - wanted) <= OFF * rate:
            shift = round(shift)
            if abs(shift) <= STRETCHED * rate and samples.shape[1] > 4 * abs(shift):
                yield heard + moved, _stretched(samples, samples.shape[1] + shift)
                moved += shift
                heard += samples.shape[1]
                waiting.popleft()
                continue
            moved += shift
        yield heard + moved, samples
        heard += samples.shape[1]
        waiting.popleft()


def _stretched(samples: np.ndarray, count: int) -> np.ndarray:
    """(channels, n) to (channels, count) by linear interpolation."""
    at = np.linspace(0, samples.shape[1] - 1, count)
    return np.stack([np.interp(at, np.arange(samples.shape[1]), row) for row in samples]).astype(np.float32)


def _blocks(
    container: Any, stream: Any, shifts: list[float], every_channel: bool
) -> Iterator[tuple[float | None, np.ndarray, int]]:
    """Time stamp, samples (channels, n) float32 and rate of each decoded frame, at one rate and number of channels.

    A damaged packet is skipped. A stream that changes its rate or layout is converted to those it began with.
    """
    converters: dict[tuple[str, str, int], Any] = {}
    rate = channels = 0
    for packet in joined(container, container.demux(stream), shifts):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        for frame in frames:
            rate = rate or frame.rate
            key = (frame.format.name, frame.layout.name, frame.rate)
            if key not in converters:
                converters[key] = av.AudioResampler(format="flt", layout=frame.layout, rate=rate)
            names = tuple(channel.name for channel in frame.layout.channels)
            time = frame.time
            for piece in converters[key].resample(frame):
                # Interleaved, since PyAV reads past the end of a frame with eight planes and crashes.
                samples = np.ascontiguousarray(piece.to_ndarray().reshape(-1, len(names)).T)
                samples = samples if every_channel else downmixed(samples, names)
                channels = channels or samples.shape[0]
                if samples.shape[0] != channels:
                    samples = np.broadcast_to(samples.mean(0, keepdims=True), (channels, samples.shape[1]))
                yield time, samples, rate
                time = None  # further pieces of the same frame follow on
