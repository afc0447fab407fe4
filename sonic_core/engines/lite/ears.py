"""Speech in, lips out: what the mouth does in every video frame, for a whole clip or while somebody speaks.

An encoder (Whisper tiny.en, or a HuBERT) listens through windows of a few seconds, a small head turns its hidden states
into mouths, and `articulation` makes lips meet where they must. Offline, a clip of any length goes through overlapping
windows that are blended where they meet, so memory does not grow. Live, the window always ends with the newest sound.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from sonic_core.engines.lite.articulation import Articulation
from sonic_core.engines.lite.ear_head import KINDS, EarHead, EarHeadConfig
from sonic_core.engines.lite.layout import FPS, MOUTH_CHANNELS, MouthBasis
from sonic_core.errors import ModelError
from sonic_core.media.stored_sound import Speech
from sonic_core.progress import stop_if_cancelled
from sonic_core.speech.log_mel import SAMPLE_RATE, log_mel
from sonic_core.speech.whisper_encoder import WhisperEncoder
from sonic_core.threads import one_thread

SAMPLES = SAMPLE_RATE // FPS  # a video frame's
WINDOW, OVERLAP = 6 * FPS, 40  # frames; the longest windows that the head was trained on have this length
UNSURE = 10  # frames at the cut end of a window for which only its neighbour counts
# Frames of silence put before the sound, so that a clip that begins with the burst of a p begins with closed lips.
BEFORE = 5
HISTORY = 4 * FPS  # frames that a live window looks back
LOOK_AHEAD = 0.16  # seconds; docs/live.md says what a longer and a shorter one do

Encoder = Callable[[np.ndarray], Tensor]  # float32 (640 n,) -> hidden states (2 n, states, heard)


@dataclass(frozen=True)
class Ears:
    encoder: Encoder
    head: EarHead
    articulation: Articulation

    @staticmethod
    def from_folder(folder: Path) -> Ears:
        """Read the encoder that `bundle.json` names and `ears.safetensors`.

        Raises ModelError when a file is missing, damaged or not what it should be.
        """
        encoder = load_encoder(folder)
        return Ears(encoder, load_head(folder / "ears.safetensors"), Articulation(MouthBasis.load()))

    def articulate(self, speech: Speech, frames: int) -> np.ndarray:
        """Mono float32 (samples,) at 16 kHz -> (frames, 15): the mouth's coefficients, then PRESS, TEETH, TONGUE."""
        return self.articulation.apply(*self.predict(speech, frames))

    def predict(self, speech: Speech, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Mouth (frames, 12) as regressed, and the probability (frames, kinds) of each kind of articulation."""
        rows = BEFORE + frames
        total = np.zeros((rows, MOUTH_CHANNELS + len(KINDS)), np.float32)
        weight = np.zeros((rows, 1), np.float32)
        for start in window_starts(rows):
            stop_if_cancelled()
            stop = min(start + WINDOW, rows)
            piece = speech[max(start - BEFORE, 0) * SAMPLES : (stop - BEFORE) * SAMPLES]
            piece = np.pad(piece, (max(BEFORE - start, 0) * SAMPLES, 0))
            share = window_weight(start, stop, rows)
            total[start:stop] += share * self.hear(piece, stop - start)
            weight[start:stop] += share
        total = (total / weight)[BEFORE:]
        return total[:, :MOUTH_CHANNELS], total[:, MOUTH_CHANNELS:]

    @one_thread()
    @torch.inference_mode()
    def hear(self, speech: np.ndarray, frames: int) -> np.ndarray:
        """One window of sound (samples,), padded with silence to whole frames -> (frames, 12 + kinds)."""
        padded = np.pad(speech, (0, frames * SAMPLES - len(speech))).astype(np.float32)
        states = self.encoder(padded)
        mouth, wanted, _ = self.head(states[None].to(self.head.mix.dtype))
        return torch.cat([mouth[0], wanted[0].sigmoid()], 1).float().numpy()

    def stream(self, look_ahead: float = LOOK_AHEAD) -> EarStream:
        """Ears for one live voice. A row is given once `look_ahead` seconds of sound are known after its frame."""
        return EarStream(self, look_ahead)


class EarStream:
    """The ears of one live voice: samples in, rows of the mouth out."""

    def __init__(self, ears: Ears, look_ahead: float):
        self.ears, self.wait = ears, round(look_ahead * SAMPLE_RATE)
        # The last HISTORY frames and those without a row yet. It begins as silence: the ears do worse in short windows.
        self.sound = np.zeros(HISTORY * SAMPLES, np.float32)
        self.first = -HISTORY  # the frame at which `sound` begins
        self.done = 0  # frames whose rows were handed out

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Float32 (k,) at 16 kHz -> (m, 15) rows that became final, one for each video frame, m often 0."""
        self.sound = np.concatenate([self.sound, np.asarray(samples, np.float32)])
        final = self.first + max(0, len(self.sound) - self.wait) // SAMPLES
        return self._rows(final)

    def flush(self) -> np.ndarray:
        """The rows of the remaining frames, once the voice has ended."""
        return self._rows(self.first + -(-len(self.sound) // SAMPLES))

    def _rows(self, final: int) -> np.ndarray:
        if final <= self.done:
            return np.zeros((0, MOUTH_CHANNELS + 3), np.float32)
        frames = -(-len(self.sound) // SAMPLES)
        window = self.ears.hear(self.sound, frames)
        rows = self.ears.articulation.apply(window[:, :MOUTH_CHANNELS], window[:, MOUTH_CHANNELS:])
        new = rows[self.done - self.first : final - self.first]
        self.done = final
        if self.done - self.first > HISTORY:
            drop = self.done - self.first - HISTORY
            self.sound, self.first = self.sound[drop * SAMPLES :], self.first + drop
        return new


def window_starts(frames: int) -> list[int]:
    """First frames of the windows that cover a clip; the last one ends with it."""
    if frames <= WINDOW:
        return [0] if frames else []
    return [*range(0, frames - WINDOW, WINDOW - OVERLAP), frames - WINDOW]


def window_weight(start: int, stop: int, frames: int) -> np.ndarray:
    """(stop - start, 1) weight of each row of a window: small near a cut end, 1 at the ends of the clip."""
    at = np.arange(stop - start, dtype=np.float32)
    ramp = OVERLAP - 2 * UNSURE
    begin = np.ones_like(at) if start == 0 else np.clip((at - UNSURE + 1) / ramp, 1e-4, 1)
    end = np.ones_like(at) if stop == frames else np.clip((at[::-1] - UNSURE + 1) / ramp, 1e-4, 1)
    return np.minimum(begin, end)[:, None]


def load_encoder(folder: Path) -> Encoder:
    """The encoder that a bundle's bundle.json names: `{"ears": "whisper"}` or `{"ears": "hubert"}`.

    Raises ModelError when the file is missing or names another, and when the weights are damaged.
    """
    path = folder / "bundle.json"
    try:
        kind = json.loads(path.read_text("utf-8"))["ears"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path} does not name the bundle's ears, whisper or hubert: install the package again"
        ) from error
    if kind == "whisper":
        whisper = WhisperEncoder.from_file(folder / "whisper.safetensors")
        return lambda speech: whisper(log_mel(speech)[None])[0]
    if kind == "hubert":
        from sonic_core.speech.hubert import SpeechEncoder

        hubert = SpeechEncoder.from_folder(folder / "hubert")
        return lambda speech: hubert.centred_features(speech, 2 * len(speech) // SAMPLES, all_layers=True)
    raise ModelError(f"{path} names the ears {kind!r}; this version knows whisper and hubert")


def load_head(path: Path) -> EarHead:
    """Read the head and its configuration from one safetensors file. Raises ModelError when it does not hold one."""
    if not path.is_file():
        raise ModelError(f"{path} is missing: install the package again, or run `python -m training.ears.train`")
    with safe_open(path, "pt") as file:
        fields: dict[str, Any] = json.loads((file.metadata() or {}).get("config", "{}"))
        weights = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    try:
        head = EarHead(EarHeadConfig(**fields))
        head.load_state_dict(weights)
    except (TypeError, RuntimeError) as error:
        raise ModelError(f"{path} does not hold an ear head: {error}") from error
    return head.eval()
