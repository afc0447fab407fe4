"""What ears in training are worth for people they never learned from: clean, disturbed, and live."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sonic_core.engines.lite.articulation import Articulation
from sonic_core.engines.lite.layout import MouthBasis
from training.ears.disturbances import DISTURBANCES, disturbed
from training.ears.store import load
from training.ears.train import lagged
from training.ears.windows import FRAME

BEFORE = 5  # frames of silence, as `sonic_core.engines.lite.ears` adds
LOOK_AHEAD, HOP = 3, 3  # frames of a live window


class Exam:
    """Clips of one length, so that all go through the encoder together."""

    def __init__(self, work: Path, device: str):
        self.device, self.articulation = device, Articulation(MouthBasis.load())
        held = [u for u in load(work / "held_out" / "s1.npz") if u.mouth is not None]
        strangers = [np.load(path) for path in sorted((work / "strangers").glob("*.npz"))]
        sounds = [stored["sound"].astype(np.float32) / 32768 for stored in strangers]
        self.sets = {
            "s1": ([u.sound for u in held], [u.mouth @ self.articulation.gap[:, 4] for u in held]),
            "strangers": (sounds, [self.real(stored) for stored in strangers]),
        }

    @staticmethod
    def real(stored) -> np.ndarray:
        times, ok = stored["time"], np.isfinite(stored["gap"])
        return np.interp(np.arange(0, times[-1] + 1e-6, 0.04), times[ok], stored["gap"][ok])

    def sound(self, name: str, how: str | None = None) -> Tensor:
        """(clips, samples) with the silence before."""
        sounds = self.sets[name][0]
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
        return np.maximum(np.stack(rows)[:, :, :12] @ self.articulation.gap[:, 4], 0)[:, BEFORE:]

    def live(self, encoder: nn.Module, head: nn.Module, sound: Tensor) -> np.ndarray:
        frames = sound.shape[1] // FRAME - BEFORE
        made, done = np.zeros((len(sound), frames)), 0
        while done < frames:
            stop = min(done + HOP, frames)
            heard = sound[:, : (BEFORE + min(stop + LOOK_AHEAD, frames)) * FRAME]
            made[:, done:stop] = self.opening(encoder, head, heard)[:, done:stop]
            done = stop
        return made

    def score(self, name: str, made: np.ndarray) -> np.ndarray:
        """Mean correlation at lag 0, at the best lag, that lag, and the worst clip's."""
        found = np.array([lagged(row, real) for row, real in zip(made, self.sets[name][1], strict=True)])
        return np.array([*found.mean(0), found[:, 0].min()])

    @torch.inference_mode()
    def report(self, encoder: nn.Module, head: nn.Module, whole: bool = False) -> str:
        """One line; `whole` adds what disturbances cost strangers, and the live score."""
        out = []
        for name in self.sets:
            at_0, best, lag, worst = self.score(name, self.opening(encoder, head, self.sound(name)))
            out.append(f"{name} {at_0:.4f}, best {best:.4f} at {lag:+.2f}, worst {worst:.2f}")
        hows = DISTURBANCES if whole else DISTURBANCES[:2]
        clean = self.score("strangers", self.opening(encoder, head, self.sound("strangers")))[0]
        for how in hows:
            lost = clean - self.score("strangers", self.opening(encoder, head, self.sound("strangers", how)))[0]
            out.append(f"{how} -{lost:.4f}")
        live = self.score("strangers", self.live(encoder, head, self.sound("strangers")))
        return "; ".join([*out, f"live {live[0]:.4f} at {live[2]:+.2f}"])
