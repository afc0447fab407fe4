"""A face that talks live: it takes speech a few frames at a time and gives rows of motion, which `draw` renders.

The lips follow the sound after the bounded look-ahead of the ears. The head, eyes and brows move whether or not
anybody speaks; their motion is sampled about half a second at a time and carries on from what was shown. Every number
depends on the seed and the sound alone, never on the time of day.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from sonic_core.engines.lite import layout
from sonic_core.engines.lite.ear_head import KINDS
from sonic_core.engines.lite.ears import LOOK_AHEAD
from sonic_core.engines.lite.emphasis import LiveEmphasis
from sonic_core.engines.lite.mood import posed
from sonic_core.engines.lite.motion import QUIET_NATS, QUIETEST_SPEECH, STEADY, MotionModel, SpeechFeatures
from sonic_core.engines.lite.motion_stream import FRAME_SAMPLES, MotionStream
from sonic_core.engines.lite.renderer import Renderer
from sonic_core.settings import Settings
from sonic_core.speech.pitch import SPAN, pitch
from sonic_core.threads import one_thread

HEARD = (SPAN + FRAME_SAMPLES) // 2  # samples in which the newest frame's pitch is looked for
CLOSING = 2  # frames in which an interrupted mouth closes; with the block before them, 0.2 s


class LiteTalk:
    """See `engines.base.Talk`."""

    look_ahead = round(LOOK_AHEAD * layout.FPS)

    def __init__(self, model: MotionModel, renderer: Renderer, guidance: float, settings: Settings):
        self.size = renderer.photo.shape[1], renderer.photo.shape[0]
        self.draw = lambda row: renderer.frame(posed(row, settings))
        self.scale = settings.dynamic_scale
        self.ears = model.ears.stream(LOOK_AHEAD)
        self.life = Life(model, guidance, settings)
        self.level = Level()
        self.loud: deque[float] = deque()  # loudness of the frames whose rows are still to come
        self.emphasis, self.gestures = LiveEmphasis(settings.seed), deque[np.ndarray]()
        self.motion_scale = settings.motion_scale
        self.recent = np.zeros(HEARD, np.float32)  # the last of the sound
        self.gate = CLOSING  # how far the lips may move: freely at CLOSING, not at all at 0
        self.interrupted = 0  # how many coming rows heard what was interrupted

    def push(self, speech: np.ndarray) -> np.ndarray:
        """Take whole frames of speech, float32 (k * 640,) at 16 kHz, and return the rows (m, 27) that became final."""
        for part in speech.reshape(-1, FRAME_SAMPLES):
            self.loud.append(self.level.of(part))
            self.gestures.append(self._gesture(part, self.loud[-1]))
        lips = self.ears.push(speech)
        rows = self.life.next([self.loud.popleft() for _ in lips])
        for row, lip in zip(rows, lips, strict=True):
            lip *= self._gated()
            row[layout.MOUTH] = self.scale * lip[: layout.MOUTH_CHANNELS]
            row[layout.ARTICULATION] = lip[layout.MOUTH_CHANNELS :]
            row[layout.LIFE] += self.gestures.popleft()
            row[layout.LIDS] = np.clip(row[layout.LIDS], 0, 1)
        return rows

    def _gesture(self, part: np.ndarray, loud: float) -> np.ndarray:
        """(12,) what emphasis adds to the row that this frame's sound completes."""
        self.recent = np.concatenate([self.recent, part])[-HEARD:]
        row = np.zeros(layout.CHANNELS, np.float32)
        row[layout.LIFE] = self.emphasis.next(loud, float(pitch(self.recent, 1)[0]))
        for channels in STEADY:
            row[channels] *= self.motion_scale
        return row[layout.LIFE]

    def interrupt(self) -> None:
        """Close the mouth over the next CLOSING rows, whatever was heard before."""
        self.interrupted = self.look_ahead + CLOSING

    def _gated(self) -> float:
        self.gate = max(0, self.gate - 1) if self.interrupted else min(CLOSING, self.gate + 1)
        self.interrupted = max(0, self.interrupted - 1)
        return self.gate / CLOSING


class Level:
    """Measures the loudness of successive frames: 1 for the loudest lately, 0 for silence, linear in decibels."""

    FORGET = 0.004  # nats a frame

    def __init__(self) -> None:
        self.loudest = QUIETEST_SPEECH

    def of(self, samples: np.ndarray) -> float:
        nats = 0.5 * float(np.log(np.square(samples).mean() + 1e-10))
        self.loudest = max(nats, self.loudest - self.FORGET, QUIETEST_SPEECH)
        return min(max(1 + (nats - self.loudest) / QUIET_NATS, 0.0), 1.0)


class Life:
    """Endless motion of head, eyes and brows. What is said after a piece began moves them in the next piece."""

    KNOWN, NEW, AHEAD = 32, 12, 16
    REMEMBERED = 64  # frames of loudness, more than the network's context reaches back beyond KNOWN

    def __init__(self, model: MotionModel, guidance: float, settings: Settings):
        self.model = model
        self.motion = MotionStream(model, settings, guidance, self.KNOWN)
        self.loud = np.zeros(0, np.float32)  # loudness of the frames before, newest last
        self.ready = np.zeros((0, layout.CHANNELS), np.float32)

    def next(self, loud: list[float]) -> np.ndarray:
        """Return a row with a mouth at rest for each of n frames of loudness: (n, 27)."""
        rows = np.zeros((len(loud), layout.CHANNELS), np.float32)
        for row, now in zip(rows, loud, strict=True):
            if not len(self.ready):
                self.ready = self._sample(now)
            row[:], self.ready = self.ready[0], self.ready[1:]
            self.loud = np.append(self.loud, np.float32(now))[-self.REMEMBERED :]
        return rows

    @one_thread()
    def _sample(self, now: float) -> np.ndarray:
        past, frames = len(self.motion.past), self.NEW + self.AHEAD
        coming = np.full(frames, now, np.float32)
        life = self.model.life(np.concatenate([self.loud, coming]))[len(self.loud) - past :]
        mouth, wanted = (np.zeros((len(life), n), np.float32) for n in (layout.MOUTH_CHANNELS, len(KINDS)))
        no_events = np.zeros((len(life), 2), np.float32)  # a stress is known when it is over
        return self.motion.extend(SpeechFeatures(mouth, wanted, life, no_events), self.NEW).numpy()
