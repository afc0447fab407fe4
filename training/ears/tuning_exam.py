"""How well ears in training serve people they never learned from: in quiet, disturbed, and live."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sonic_core.engines.lite.articulation import Articulation
from sonic_core.engines.lite.layout import MouthBasis
from training.ears.disturbances import DISTURBANCES, disturbed
from training.ears.scores import held_out, lagged, strangers
from training.ears.windows import FRAME

BEFORE = 5  # frames of silence, as `sonic_core.engines.lite.ears` adds
LOOK_AHEAD, HOP = 3, 3  # frames of a live window


class Exam:
    """The held-out clips, and strangers' if there are any. A set is cut to one length, to go through at once."""

    def __init__(self, work: Path, device: str):
        self.device, self.articulation = device, Articulation(MouthBasis.load())
        own = [(utterance.sound, mouth @ self.articulation.gap[:, 4]) for utterance, mouth in held_out(work)]
        self.sets = {name: clips for name, clips in (("s1", own), ("strangers", strangers(work))) if clips}

    def sound(self, name: str, how: str | None = None) -> Tensor:
        """(clips, samples) of a set, disturbed or not, with the silence before."""
        sounds = [sound for sound, _ in self.sets[name]]
        rng = np.random.default_rng(3)
        if how:
            sounds = [disturbed(sound, how, rng) for sound in sounds]
        frames = min(len(sound) for sound in sounds) // FRAME
        cut = np.stack([sound[: frames * FRAME] for sound in sounds])
        return torch.from_numpy(np.pad(cut, ((0, 0), (BEFORE * FRAME, 0)))).float().to(self.device)

    def opening(self, encoder: nn.Module, head: nn.Module, sound: Tensor) -> np.ndarray:
        """(clips, frames) as the lips would be drawn."""
        mouth, wanted, _ = head(encoder(sound))
        rows = [
            self.articulation.apply(m.float().cpu().numpy(), w.float().sigmoid().cpu().numpy())
            for m, w in zip(mouth, wanted, strict=True)
        ]
        return np.stack([self.articulation.opening(row) for row in rows])[:, BEFORE:]

    def live(self, encoder: nn.Module, head: nn.Module, sound: Tensor) -> np.ndarray:
        """The same, each frame made when the sound has come `LOOK_AHEAD` frames further."""
        frames = sound.shape[1] // FRAME - BEFORE
        made, done = np.zeros((len(sound), frames)), 0
        while done < frames:
            stop = min(done + HOP, frames)
            heard = sound[:, : (BEFORE + min(stop + LOOK_AHEAD, frames)) * FRAME]
            made[:, done:stop] = self.opening(encoder, head, heard)[:, done:stop]
            done = stop
        return made

    def score(self, name: str, made: np.ndarray) -> np.ndarray:
        """Mean correlation at lag 0, at the best lag, that lag, and the worst clip's correlation."""
        found = np.array([lagged(row, real) for row, (_, real) in zip(made, self.sets[name], strict=True)])
        return np.array([*found.mean(0), found[:, 0].min()])

    @torch.inference_mode()
    def report(self, encoder: nn.Module, head: nn.Module, whole: bool = False) -> str:
        """One line; `whole` adds what every disturbance costs, not only the first two, on the last of the sets."""
        out, clean = [], 0.0
        for name in self.sets:
            clean, best, lag, worst = self.score(name, self.opening(encoder, head, self.sound(name)))
            out.append(f"{name} {clean:.4f}, best {best:.4f} at {lag:+.2f}, worst {worst:.2f}")
        for how in DISTURBANCES if whole else DISTURBANCES[:2]:
            lost = clean - self.score(name, self.opening(encoder, head, self.sound(name, how)))[0]
            out.append(f"{how} -{lost:.4f}")
        live = self.score(name, self.live(encoder, head, self.sound(name)))
        return "; ".join([*out, f"live {live[0]:.4f} at {live[2]:+.2f}"])
