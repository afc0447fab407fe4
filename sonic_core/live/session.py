"""The core of every live talk: takes pieces of sound and gives moments of video, in order and without a clock.

The caller asks a session for frames; it never waits. When no sound is left it gives silence, and the face lives on.
Sound leaves it together with its picture, delayed by the look-ahead of the ears. The same pushes between the same calls
give the same moments.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sonic_core.engines.base import Talk
from sonic_core.live.sound import FRAME, SoundQueue, ToSpeech, ramp

Event = Literal["speaking", "idle", "interrupted"]

LOUD = 10 ** (-45 / 20)  # root mean square above which a frame counts as speech
HELD = 10  # frames that a pause may last and still be part of the speech


@dataclass(frozen=True)
class Moment:
    """One video frame: its number, its row of motion, its sound (FRAME,), and whether somebody speaks in it."""

    index: int
    row: np.ndarray
    sound: np.ndarray
    speaking: bool


class LiveSession:
    """One talk. `push`, `interrupt` and `end` may be called from any thread; `advance` from one."""

    def __init__(
        self, talk: Talk, backlog: float | None = None, on_event: Callable[[Event], None] = lambda event: None
    ):
        self.talk, self.on_event = talk, on_event
        self.queue = SoundQueue(backlog)
        self._to_speech = ToSpeech()
        self._lock = threading.Lock()  # guards everything but the queue
        self._queue_lock = threading.Lock()  # a lock of its own: a push never waits for the ears
        self._held: deque[np.ndarray] = deque()  # sound whose motion is not final
        self._index, self._quiet = 0, HELD + 1
        self._muted = 0  # how many coming moments were interrupted

    def push(self, samples: np.ndarray, rate: int) -> None:
        """Append mono float samples (n,) in [-1, 1] at `rate` Hz. Raises InputError."""
        with self._queue_lock:
            self.queue.push(samples, rate)

    def end(self) -> None:
        """Say that nothing follows for now, so that what waits is spoken at once."""
        with self._queue_lock:
            self.queue.end()

    def interrupt(self) -> None:
        """Drop all sound that was not shown yet and close the mouth."""
        with self._lock:
            with self._queue_lock:
                spoke = self._quiet <= HELD or self.queue.waiting > 0
                self.queue.clear()
            for index, sound in enumerate(self._held):
                fading = np.zeros_like(sound)
                if index == 0:
                    fading[: len(ramp())] = sound[: len(ramp())] * ramp()[::-1]
                self._held[index] = fading
            self.talk.interrupt()
            self._muted = len(self._held)
            self._quiet = HELD + 1
        if spoke:
            self.on_event("interrupted")

    def advance(self, frames: int) -> list[Moment]:
        """Listen to the next `frames` frames of sound, or to silence, and return the moments that became final."""
        with self._lock:
            with self._queue_lock:
                sounds = list(self.queue.take(frames))
            self._held.extend(sounds)
            rows = self.talk.push(np.concatenate([self._to_speech(sound) for sound in sounds]))
            ready = [self._held.popleft() for _ in rows]
        return [self._moment(row, sound) for row, sound in zip(rows, ready, strict=True)]

    def pending(self) -> int:
        """How many frames of sound were pushed and have not come out yet."""
        with self._lock:
            return len(self._held) + -(-self.queue.waiting // FRAME)

    def silent(self) -> bool:
        """Whether no sound waits and all that was spoken has come out."""
        with self._lock:
            return not self.queue.waiting and not any(sound.any() for sound in self._held)

    def _moment(self, row: np.ndarray, sound: np.ndarray) -> Moment:
        loud = not self._muted and float(np.sqrt(np.square(sound).mean())) > LOUD
        self._muted = max(0, self._muted - 1)
        before, self._quiet = self._quiet, 0 if loud else self._quiet + 1
        if loud and before > HELD:
            self.on_event("speaking")
        elif self._quiet == HELD + 1 and before == HELD:
            self.on_event("idle")
        moment = Moment(self._index, row, sound, self._quiet <= HELD)
        self._index += 1
        return moment
