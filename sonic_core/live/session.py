"""The core of every live road: pieces of sound in, moments of video out, in order and without the time of day.

A session is asked for frames; it never waits. Where no sound is left it gives silence, and the face lives on. Sound
leaves it with the picture that belongs to it, later than it came by the look-ahead of the ears. The same pushes between
the same calls give the same moments.
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
HELD = 10  # frames that a pause in speech may last


@dataclass(frozen=True)
class Moment:
    """One frame that is due: its number, its motion, its sound (FRAME,), and whether somebody speaks in it."""

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
        self._lock = threading.Lock()  # of everything but the queue
        self._queue_lock = threading.Lock()  # apart, so that a push never waits until the ears have listened
        self._held: deque[np.ndarray] = deque()  # sound whose pictures are not final
        self._index, self._quiet = 0, HELD + 1
        self._muted = 0  # moments to come that were interrupted

    def push(self, samples: np.ndarray, rate: int) -> None:
        """Mono float samples (n,) in [-1, 1]. Raises InputError."""
        with self._queue_lock:
            self.queue.push(samples, rate)

    def end(self) -> None:
        """What was pushed is all there is for now."""
        with self._queue_lock:
            self.queue.end()

    def interrupt(self) -> None:
        """Drop everything that was not shown yet and close the mouth."""
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
        """Listen to the next `frames` frames of sound, or silence: the moments that became final."""
        with self._lock:
            with self._queue_lock:
                sounds = list(self.queue.take(frames))
            self._held.extend(sounds)
            rows = self.talk.push(np.concatenate([self._to_speech(sound) for sound in sounds]))
            ready = [self._held.popleft() for _ in rows]
        return [self._moment(row, sound) for row, sound in zip(rows, ready, strict=True)]

    def pending(self) -> int:
        """Frames of sound that were taken in and have not come out, those that wait included."""
        with self._lock:
            return len(self._held) + -(-self.queue.waiting // FRAME)

    def silent(self) -> bool:
        """Whether nothing waits to be spoken and what was spoken has come out."""
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
