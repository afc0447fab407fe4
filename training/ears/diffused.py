"""Compare a diffusion of the mouth, on the same features, with the regression that ships.

    python -m training.ears.diffused --work WORK --encoder FILE --regression HEAD.pt [--steps 3000] [--windows w0 w1]

The trunk and the windows are those of `training.ears.train`. A second stack of layers does not predict the mouth but
learns to take noise off it (v-prediction, Salimans and Ho 2022). Prints the scores of the regression, of one sample and
of the mean of four on the held-out clips and on strangers, and how two samples of one sound agree. None of it ships.
"""

from __future__ import annotations

import argparse
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonic_core.engines.lite.ear_head import EarHead, EarHeadConfig, Layer
from sonic_core.engines.lite.layout import MOUTH_CHANNELS
from sonic_core.speech.whisper_encoder import WhisperEncoder
from training.ears.corpus import Corpus
from training.ears.scores import lagged
from training.ears.train import BATCH, BLIND, DROPOUT, RATE, WEIGHT, Exam, Windows
from training.ears.tune import load_head
from training.learning import Learner

SAMPLING_STEPS = 12


class DiffusedHead(nn.Module):
    def __init__(self, scale: Tensor, dropout: float = 0.0):
        super().__init__()
        self.trunk = EarHead(EarHeadConfig(), dropout)
        w = self.trunk.config.width
        self.register_buffer("scale", scale)
        self.noisy = nn.Linear(MOUTH_CHANNELS, w)
        self.time = nn.Sequential(nn.Linear(2, w), nn.GELU(), nn.Linear(w, w))
        self.layers = nn.ModuleList(Layer(w, dropout) for _ in range(4))
        self.out = nn.Linear(w, MOUTH_CHANNELS)

    def heard(self, states: Tensor) -> Tensor:
        """(b, 2 n, states, heard) -> (b, n, width)."""
        trunk = self.trunk
        x = torch.einsum("bnsh,s->bnh", F.layer_norm(states, states.shape[-1:]), trunk.mix.softmax(0))
        x = F.gelu(trunk.enter(trunk.drop(x)))
        x = trunk.pair(x.reshape(len(x), -1, 2 * x.shape[-1]))
        for layer in trunk.layers:
            x = layer(x)
        return x

    def velocity(self, heard: Tensor, noisy: Tensor, angle: Tensor) -> Tensor:
        """What the net predicts for mouths (b, n, 12) that are cos(angle) signal and sin(angle) noise, angle (b,)."""
        x = heard + self.noisy(noisy) + self.time(torch.stack([angle.cos(), angle.sin()], -1))[:, None]
        for layer in self.layers:
            x = layer(x)
        return self.out(x)

    @torch.inference_mode()
    def sample(self, states: Tensor, generator: torch.Generator) -> Tensor:
        heard = self.heard(states)
        x = torch.randn(*heard.shape[:2], MOUTH_CHANNELS, generator=generator)
        angles = torch.linspace(math.pi / 2, 0, SAMPLING_STEPS + 1)
        for now, then in pairwise(angles):
            v = self.velocity(heard, x, now.expand(len(x)))
            signal, noise = now.cos() * x - now.sin() * v, now.sin() * x + now.cos() * v
            x = then.cos() * signal + then.sin() * noise
        return x * self.scale


def loss_of(head: DiffusedHead, states: Tensor, mouth: Tensor) -> Tensor:
    known = ~mouth[..., 0].isnan()
    known[:, -BLIND:] = False
    clean = mouth.nan_to_num() / head.scale
    angle = torch.rand(len(mouth)) * math.pi / 2
    noise = torch.randn_like(clean)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    made = head.velocity(head.heard(states), cos * clean + sin * noise, angle)
    return ((made - (cos * noise - sin * clean)).square() * WEIGHT)[known].mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--regression", type=Path, required=True)
    parser.add_argument("--windows", nargs="+", default=["windows"])
    parser.add_argument("--steps", type=int, default=3000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    corpus = Corpus.load(args.work)
    windows = Windows.load(args.work, args.windows, corpus)
    exam = Exam(args.work, WhisperEncoder.from_file(args.encoder))
    scale = torch.from_numpy(np.concatenate([u.mouth for u in corpus.kinds["s1"] if u.mouth is not None]).std(0))
    head = DiffusedHead(scale, DROPOUT)
    learner = Learner(head, [{"params": head.parameters(), "lr": RATE, "weight_decay": 0.05}], horizon=500)
    running = 0.0
    while learner.step < args.steps:
        states, mouth = windows.batch(np.random.default_rng([learner.step, 3]), BATCH)[:2]
        loss = loss_of(head, states, mouth)
        learner.learn(loss, args.steps)
        running = 0.99 * running + 0.01 * float(loss.detach())
        if learner.step % 500 == 0:
            print(f"step {learner.step}: loss {running:.3f}", flush=True)
    head.eval()
    regression = load_head(args.regression).eval()
    generator = torch.Generator().manual_seed(1)
    for name, clips in exam.sets.items():
        rows: dict[str, list] = {"regression": [], "one sample": [], "mean of four": []}
        agree = []
        for states, real in clips:
            with torch.inference_mode():
                mouth = regression(states[None])[0][0].numpy()
            samples = [head.sample(states[None], generator)[0].numpy() for _ in range(4)]
            gaps = [exam.gap(sample) for sample in samples]
            rows["regression"].append(lagged(exam.gap(mouth), real))
            rows["one sample"].append(lagged(gaps[0], real))
            rows["mean of four"].append(lagged(exam.gap(np.mean(samples, 0)), real))
            agree.append(np.corrcoef(gaps[0], gaps[1])[0, 1])
        for way, found in rows.items():
            at_0, best, lag = np.mean(found, 0)
            print(f"{name}, {way}: {at_0:.3f} at lag 0, best {best:.3f} at {lag:+.2f} frames", flush=True)
        print(f"{name}, two samples agree to {np.mean(agree):.3f}", flush=True)


if __name__ == "__main__":
    main()
