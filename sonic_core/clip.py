"""A lazy video: its size, rate and length, and a function that makes its frames on demand.

A minute of 512 x 512 frames is 4.7 GB as float32, so no stage holds one. A Clip is iterated chunk by chunk, any
number of times, and gives the same frames each time. Finishing stages take a Clip and return one; the writer pulls
the chunks through once. Nothing here knows where frames come from or what becomes of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from sonic_core.errors import InputError

BLOCK_SECONDS = 20  # of sound worked on at a time
OPPOSED = 0.1  # power of the mean of two channels, as a share of the louder one's, below which they cancel each other


def frame_count(seconds: float, fps: Fraction | float) -> int:
    """How many frames cover `seconds`, rounded up; up to a hundredth of a frame over counts as rounding error."""
    return max(1, math.ceil(seconds * float(fps) - 0.01))


@dataclass(frozen=True)
class Audio:
    """Sound: float32 samples (channels, samples) in [-1, 1] and their rate in Hz.

    An hour of it is 1.4 GB, so code that can work on a part at a time uses `read`, `blocks` and `cut`: see `LazyAudio`.
    """

    samples: np.ndarray
    rate: int

    @property
    def shape(self) -> tuple[int, int]:
        """(channels, samples a channel)."""
        return self.samples.shape[0], self.samples.shape[1]

    @property
    def channels(self) -> int:
        return self.shape[0]

    @property
    def length(self) -> int:
        """How many samples a channel has."""
        return self.shape[1]

    @property
    def seconds(self) -> float:
        return self.length / self.rate

    def read(self, start: int, stop: int) -> np.ndarray:
        """(channels, stop - start) the samples from `start` to before `stop`; both lie within the sound."""
        return self.samples[:, start:stop]

    def blocks(self) -> Iterator[np.ndarray]:
        """The whole sound in parts (channels, n) of a few seconds."""
        size = BLOCK_SECONDS * self.rate
        for start in range(0, self.length, size):
            yield self.read(start, min(start + size, self.length))

    def around(self, start: int, stop: int) -> np.ndarray:
        """(channels, stop - start) as `read` does, with silence where that lies outside the sound."""
        first, last = (min(max(place, 0), self.length) for place in (start, stop))
        before = min(max(-start, 0), stop - start)
        after = stop - start - before - (last - first)
        return np.pad(self.read(first, last), ((0, 0), (before, after)))

    def placed(self, offset: int, length: int) -> Audio:
        """`length` samples in which this sound begins at sample `offset`, with silence before and after it."""
        return Audio(self.around(-offset, length - offset), self.rate)

    def cut(self, start: int, stop: int) -> Audio:
        """The part from sample `start` to before `stop`, which may lie beyond the end."""
        return Audio(self.samples[:, start:stop], self.rate)

    @property
    def opposed(self) -> bool:
        """Whether two channels cancel each other out when they are added, as those in opposite phase do."""
        return self.channel_alone is not None

    @cached_property
    def channel_alone(self) -> int | None:
        """The louder one of two channels that cancel each other out, None where their mean can be taken.

        Found once: it reads the whole sound.
        """
        if self.channels != 2:
            return None
        both, powers = 0.0, np.zeros(2)
        for block in self.blocks():
            both += float(np.square(block.mean(0), dtype=np.float64).sum())
            powers += np.square(block, dtype=np.float64).sum(1)
        return int(powers.argmax()) if both < OPPOSED * float(powers.max()) else None

    def mono(self) -> np.ndarray:
        """(samples,) the mean of the channels; the louder one of two that would cancel each other out."""
        blocks = list(self.mono_blocks())
        return blocks[0] if len(blocks) == 1 else np.concatenate([*blocks, np.zeros(0, np.float32)])

    def mono_blocks(self) -> Iterator[np.ndarray]:
        """What `mono` gives in parts (n,) of a few seconds."""
        alone = self.channel_alone
        for block in self.blocks():
            yield block.mean(0) if alone is None else block[alone]


class LazyAudio(Audio):
    """Sound whose samples are fetched when they are asked for: from a file, or made out of other sounds."""

    def __init__(self, shape: tuple[int, int], rate: int, fetch: Callable[[int, int], np.ndarray]):
        """`fetch(start, stop)` gives float32 (channels, stop - start); it may be called from several threads."""
        object.__setattr__(self, "_shape", shape)
        object.__setattr__(self, "rate", rate)
        object.__setattr__(self, "_fetch", fetch)

    @property
    def shape(self) -> tuple[int, int]:
        return self._shape  # type: ignore[attr-defined, no-any-return]

    @property
    def samples(self) -> np.ndarray:  # type: ignore[override]
        """All of it at once."""
        return self.read(0, self.length)

    def read(self, start: int, stop: int) -> np.ndarray:
        return self._fetch(start, stop)  # type: ignore[attr-defined, no-any-return]

    def placed(self, offset: int, length: int) -> Audio:
        return LazyAudio((self.channels, length), self.rate, lambda a, b: self.around(a - offset, b - offset))

    def cut(self, start: int, stop: int) -> Audio:
        start = min(start, self.length)
        return self.placed(-start, max(min(stop, self.length) - start, 0))


@dataclass(frozen=True)
class Clip:
    """A video of `frame_count` frames at `fps`, made chunk by chunk by `make()`.

    `make` returns a fresh iterator over arrays (n, height, width, channels), n >= 1, which together hold exactly
    `frame_count` frames: float32 in [0, 1], or uint8 where the frames were never anything else. Read them with `chunks`
    or `frames` as float32, with `pixels` or `pictures` as uint8. `audio` starts with the first frame. `metadata` is
    written into the file. `channels` is 3 for RGB, or 4 where alpha follows: straight, colours are not multiplied with
    it.
    """

    width: int
    height: int
    frame_count: int
    fps: Fraction
    make: Callable[[], Iterator[np.ndarray]]
    audio: Audio | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    channels: int = 3

    @property
    def seconds(self) -> float:
        return float(self.frame_count / self.fps)

    @property
    def has_alpha(self) -> bool:
        """Whether the frames say how much of each pixel they cover."""
        return self.channels == 4

    def chunks(self) -> Iterator[np.ndarray]:
        """Frames as they are made: float32 (n, height, width, channels) in [0, 1]. Checks that all of them arrive."""
        for chunk in self._as_made():
            # In one pass: a third of the time of converting first.
            yield chunk if chunk.dtype == np.float32 else np.divide(chunk, np.float32(255), dtype=np.float32)

    def pixels(self) -> Iterator[np.ndarray]:
        """Frames as they are made: uint8 (n, height, width, channels), which is half the work of floats."""
        for chunk in self._as_made():
            yield chunk if chunk.dtype == np.uint8 else (chunk * 255 + 0.5).clip(0, 255).astype(np.uint8)

    def _as_made(self) -> Iterator[np.ndarray]:
        seen = 0
        for chunk in self.make():
            if chunk.shape[1:] != (self.height, self.width, self.channels) or chunk.dtype not in (np.float32, np.uint8):
                raise ValueError(f"a clip of {self.width} x {self.height} gave {chunk.dtype} {chunk.shape}")
            seen += len(chunk)
            yield chunk
        if seen != self.frame_count:
            raise ValueError(f"a clip of {self.frame_count} frames gave {seen}")

    def frames(self) -> Iterator[np.ndarray]:
        """One frame at a time: float32 (height, width, channels)."""
        for chunk in self.chunks():
            yield from chunk

    def pictures(self) -> Iterator[np.ndarray]:
        """One frame at a time: uint8 (height, width, channels)."""
        for chunk in self.pixels():
            yield from chunk

    def replaced(self, **changes: object) -> Clip:
        """A copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def part(self, start: int, count: int | None = None) -> Clip:
        """The frames from `start` on, `count` of them at most, with their sound. Raises InputError past the end."""
        if start >= self.frame_count:
            raise InputError(f"frame {start} was asked for but the clip has {self.frame_count} frames, counted from 0")
        stop = self.frame_count if count is None else min(start + count, self.frame_count)

        def make() -> Iterator[np.ndarray]:
            position = 0
            for chunk in self._as_made():
                wanted = chunk[max(start - position, 0) : max(stop - position, 0)]
                if len(wanted):
                    yield wanted
                position += len(chunk)
                if position >= stop:
                    return

        audio = self.audio
        if audio is not None:
            first, last = (round(frame / self.fps * audio.rate) for frame in (start, stop))
            audio = audio.cut(first, last)
        return self.replaced(make=make, frame_count=stop - start, audio=audio)

    @staticmethod
    def of_frames(frames: np.ndarray, fps: Fraction, audio: Audio | None = None) -> Clip:
        """A clip over frames that are already in memory: float32 (n, height, width, 3 or 4)."""
        n, height, width, channels = frames.shape
        return Clip(width, height, n, Fraction(fps), lambda: iter([frames]), audio, channels=channels)
