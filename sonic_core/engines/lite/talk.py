"""One face that talks live: speech comes in a few frames at a time, rows of motion come out, each is drawn when wanted.

Lips follow the sound with a bounded look-ahead. The life of the face (head, eyes, brows) goes on whether anybody speaks
or not; it is sampled about half a second at a time, each time carried on from what was shown. Every number depends on
the seed and the sound only, never on the time of day.
"""

from __future__ import annotations

import numpy as np
import torch

from sonic_core.engines.lite import layout
from sonic_core.engines.lite.motion import QUIET_NATS, QUIETEST_SPEECH, Heard, MotionModel
from sonic_core.engines.lite.motion_stream import FRAME_SAMPLES, MotionStream
from sonic_core.engines.lite.renderer import Renderer
from sonic_core.settings import Settings

LOOK_AHEAD = 3  # frames of sound that are known before lips are final, 0.12 s
CLOSING = 3  # frames in which an interrupted mouth closes
GUIDANCE = 1.5


class LiteTalk:
    """See `engines.base.Talk`."""

    look_ahead = LOOK_AHEAD

    def __init__(self, model: MotionModel, renderer: Renderer, identity: torch.Tensor, settings: Settings):
        self.size = renderer.photo.shape[1], renderer.photo.shape[0]
        self.mouth = Mouth(model, identity, settings)
        self.life = Life(model, identity, settings)
        self.draw = renderer.frame
        self.gate, self.closing, self.pending = CLOSING, False, 0  # the gate is open at CLOSING, shut at 0

    def push(self, speech: np.ndarray) -> np.ndarray:
        """Whole frames of speech, float32 (k * 640,) at 16 kHz -> the rows (m, CHANNELS) that became final."""
        return self._rows(self.mouth.push(speech))

    def interrupt(self) -> None:
        """Close the mouth over the next CLOSING rows, whatever was heard before."""
        self.closing, self.pending = True, LOOK_AHEAD + CLOSING

    def _rows(self, mouths: np.ndarray) -> np.ndarray:
        rows = self.life.next(self.mouth.loudness(len(mouths)))
        for row, mouth in zip(rows, mouths, strict=True):
            row[layout.MOUTH] = self._gated() * mouth
        return rows

    def _gated(self) -> float:
        self.gate = max(0, self.gate - 1) if self.closing else min(CLOSING, self.gate + 1)
        if self.closing:
            self.pending -= 1
            self.closing = self.pending > 0
        return self.gate / CLOSING


class Mouth:
    """Lips from sound with a window of the past and LOOK_AHEAD frames of the future."""

    PAST, KNOWN = 50, 32  # frames that are heard again, and seen again, with every piece

    def __init__(self, model: MotionModel, identity: torch.Tensor, settings: Settings):
        self.model = model
        self.face = identity.to(model.net.mean)
        self.motion = MotionStream(model, settings, GUIDANCE, self.KNOWN)
        self.speech = np.zeros(0, np.float32)  # from frame `start` on
        self.start = self.done = self.told = 0
        self.level = Level()
        self.loud: list[float] = []  # of the frames from `told` on

    def push(self, speech: np.ndarray) -> np.ndarray:
        self.speech = np.concatenate([self.speech, speech])
        self.loud += [self.level.of(part) for part in speech.reshape(-1, FRAME_SAMPLES)]
        heard_until = self.start + len(self.speech) // FRAME_SAMPLES
        new = heard_until - LOOK_AHEAD - self.done
        if new <= 0:
            return np.zeros((0, layout.MOUTH_CHANNELS), np.float32)
        past = len(self.motion.past)
        context = self._context(heard_until - self.start)[self.done - past - self.start :]
        life = context.new_zeros(len(context), self.model.net.life.config.width)
        rows = self.motion.extend(Heard(context, life, self.face), new)
        self.done += new
        drop = max(0, self.done - self.PAST - self.KNOWN - self.start)
        self.speech, self.start = self.speech[drop * FRAME_SAMPLES :], self.start + drop
        return rows[:, layout.MOUTH].numpy()

    def loudness(self, frames: int) -> np.ndarray:
        """How loud the next `frames` frames were whose lips are out."""
        said, self.loud = self.loud[:frames], self.loud[frames:]
        return np.array(said, np.float32)

    @torch.inference_mode()
    def _context(self, frames: int) -> torch.Tensor:
        features = self.model.encoder.centred_features(self.speech, 2 * frames).to(self.model.net.mean)
        return self.model.net.mouth.context(features.reshape(1, frames, -1))[0]


class Level:
    """Loudness of one frame after another: 1 as loud as the loudest lately, 0 in silence, linear in decibels."""

    FORGET = 0.004  # nats a frame

    def __init__(self) -> None:
        self.loudest = QUIETEST_SPEECH

    def of(self, samples: np.ndarray) -> float:
        nats = 0.5 * float(np.log(np.square(samples).mean() + 1e-10))
        self.loudest = max(nats, self.loudest - self.FORGET, QUIETEST_SPEECH)
        return min(max(1 + (nats - self.loudest) / QUIET_NATS, 0.0), 1.0)


class Life:
    """Head, eyes and brows without an end. What is said after a piece began moves them in the next one."""

    KNOWN, NEW, AHEAD = 32, 12, 16

    def __init__(self, model: MotionModel, identity: torch.Tensor, settings: Settings):
        self.model = model
        self.face = identity.to(model.net.mean)
        self.motion = MotionStream(model, settings, GUIDANCE, self.KNOWN)
        self.loud = np.zeros(0, np.float32)  # of the frames that went before, newest last
        self.ready = np.zeros((0, layout.CHANNELS), np.float32)

    def next(self, loud: np.ndarray) -> np.ndarray:
        """One row (n, CHANNELS) for each frame of loudness (n,)."""
        out = np.zeros((0, layout.CHANNELS), np.float32)
        while len(out) < len(loud):
            if not len(self.ready):
                self.ready = self._sample(loud[len(out)])
            taken = self.ready[: len(loud) - len(out)]
            self.loud = np.concatenate([self.loud, loud[len(out) : len(out) + len(taken)]])[-64:]
            self.ready, out = self.ready[len(taken) :], np.concatenate([out, taken])
        return out

    @torch.inference_mode()
    def _sample(self, now: float) -> np.ndarray:
        past = len(self.motion.past)
        coming = np.full(self.NEW + self.AHEAD, now, np.float32)
        loud = torch.from_numpy(np.concatenate([self.loud, coming])).to(self.model.net.mean)
        life = self.model.net.life.context(loud[None, :, None])[0, len(self.loud) - past :]
        mouth = life.new_zeros(len(life), self.model.net.mouth.config.width)
        return self.motion.extend(Heard(mouth, life, self.face), self.NEW).numpy()
