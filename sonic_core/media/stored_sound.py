"""Keeps long sound in a temporary file: an hour takes no memory, but a gigabyte of disk while it is in use.

Short sound stays in memory. Nothing here knows codecs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Any

import numpy as np
import soxr

from sonic_core.clip import Audio, LazyAudio
from sonic_core.progress import stop_if_cancelled

MEMORY = 16 << 20  # bytes; what is larger lies on disk
FLOAT = 4  # bytes of a float32


class SampleStore:
    """Float32 samples (channels, n), written in any order; a place never written is silence."""

    def __init__(self, channels: int, memory: int = MEMORY):
        self.channels, self.length = channels, 0
        self._memory = memory
        # It lives as long as anyone reads from it, and the system deletes it even after a crash.
        self._file = tempfile.SpooledTemporaryFile(memory, prefix="sonic-sound-")  # noqa: SIM115
        self._lock = Lock()

    def write(self, position: int, block: np.ndarray) -> None:
        """Put (channels, n) at a place; the part of it before 0 is dropped. Raises where the work was cancelled."""
        stop_if_cancelled()
        if position < 0:
            block, position = block[:, -position:], 0
        with self._lock:
            self._file.seek(position * self.channels * FLOAT)
            self._file.write(np.ascontiguousarray(block.T, np.float32).tobytes())
        self.length = max(self.length, position + block.shape[1])

    def read(self, start: int, stop: int) -> np.ndarray:
        """(channels, stop - start)."""
        with self._lock:
            self._file.seek(start * self.channels * FLOAT)
            held = self._file.read((stop - start) * self.channels * FLOAT)
        found = np.frombuffer(held, np.float32).reshape(-1, self.channels).T
        return np.ascontiguousarray(np.pad(found, ((0, 0), (0, stop - start - found.shape[1]))))

    def audio(self, rate: int, length: int | None = None) -> Audio:
        """What was written as sound, with silence up to `length` samples; nothing may be written any more."""
        length = self.length if length is None else length
        if length * self.channels * FLOAT <= self._memory:
            return Audio(self.read(0, length), rate)
        return LazyAudio((self.channels, length), rate, self.read)


def stored(blocks: Iterable[np.ndarray], channels: int, rate: int) -> Audio:
    """Sound made of parts (channels, n) that follow one another."""
    store = SampleStore(channels)
    for block in blocks:
        store.write(store.length, block)
    return store.audio(rate)


def mixed_down(audio: Audio) -> Audio:
    """The sound with one channel; see `Audio.mono`."""
    return stored((block[None] for block in audio.mono_blocks()), 1, audio.rate)


def resampled(audio: Audio, rate: int) -> Audio:
    """The sound at another rate."""
    if audio.rate == rate:
        return audio
    if not isinstance(audio, LazyAudio):
        return Audio(np.ascontiguousarray(soxr.resample(audio.samples.T, audio.rate, rate).T, np.float32), rate)
    return stored(_resampled(audio.blocks(), audio.channels, audio.rate, rate), audio.channels, rate)


def _resampled(blocks: Iterator[np.ndarray], channels: int, rate: int, wanted: int) -> Iterator[np.ndarray]:
    stream = soxr.ResampleStream(rate, wanted, channels, dtype="float32")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block.T)).reshape(-1, channels).T
    yield stream.resample_chunk(np.zeros((0, channels), np.float32), last=True).reshape(-1, channels).T


class StoredSpeech:
    """Mono sound (samples,) that is read where it is sliced, for ears that listen window by window."""

    def __init__(self, audio: Audio):
        self.audio = audio

    def __len__(self) -> int:
        return self.audio.length

    def __getitem__(self, span: slice) -> np.ndarray:
        start, stop, step = span.indices(len(self))
        return self.audio.read(start, max(start, stop))[0, ::step]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All of it at once, for code that needs an array."""
        return self[:].astype(dtype or np.float32)

    def moved(self, offset: int) -> StoredSpeech:
        """The same, later by `offset` samples; the length stays."""
        return StoredSpeech(self.audio.placed(offset, len(self)))


Speech = np.ndarray | StoredSpeech  # mono samples (n,) that have a length and can be sliced
