"""Mouths for speech without video: each phone has a target mouth and a reach in time, fitted to the mouths of GRID.

    python -m training.ears.coarticulation --work WORK

A mouth is the mean of the targets of the phones around it, each weighted by a dominance that falls off before and after
the phone (Cohen and Massaro 1993). A phone that is rare in GRID uses the target of its nearest relative in `RELATIVE`.
Writes WORK/coarticulation.npz and prints the correlation of the opening on the held-out clips.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.ears.labels import Timing, load_timings
from training.ears.phones import NUMBER, PHONES

# For phones that GRID's 51 words lack or have too rarely to fit: the phone whose target they use.
RELATIVE = {
    "UE": "UW", "OE": "UW", "PF": "B", "RR": "D", "X": "HH", "ZH": "CH", "SH": "CH", "OY": "AO", "UH": "UW", "AW": "AA",
    "OW": "AO", "NG": "N", "AA": "AY", "ER": "AH", "HH": "AH", "M": "B", "TH": "DH",
}  # fmt: skip
RAREST = 40  # a phone that is said more often than this has a target of its own


@dataclass(frozen=True)
class Coarticulation:
    """For each phone, its target, how strongly it dominates, and how many seconds it reaches back and forward."""

    target: np.ndarray  # (phones, 12)
    strength: np.ndarray  # (phones,)
    back: np.ndarray  # (phones,)
    forward: np.ndarray  # (phones,)

    @staticmethod
    def load(path: Path) -> Coarticulation:
        return Coarticulation(**np.load(path))

    def mouth(self, timing: Timing, times: np.ndarray) -> np.ndarray:
        """(n, 12) the mouth at each time (n,) in seconds."""
        parts = (torch.from_numpy(part) for part in (self.target, self.strength, self.back, self.forward))
        phones, starts, ends, at = (
            torch.from_numpy(np.asarray(part)) for part in (timing.phones, timing.starts, timing.ends, times)
        )
        return blend(*parts, phones.long()[None], starts[None], ends[None], at[None])[0].float().numpy()


def blend(
    target: Tensor, strength: Tensor, back: Tensor, forward: Tensor,
    phones: Tensor, starts: Tensor, ends: Tensor, times: Tensor,
) -> Tensor:  # fmt: skip
    """Mouths (b, n, 12) at `times` (b, n) among phones (b, p), -1 for none, from `starts` to `ends`; in seconds."""
    known = phones.clamp(min=0)
    before = (starts[:, None] - times[..., None]).clamp(min=0) / back[known][:, None]
    after = (times[..., None] - ends[:, None]).clamp(min=0) / forward[known][:, None]
    weight = strength[known][:, None] * torch.exp(-(before + after)) * (phones >= 0)[:, None]
    weight = weight + 1e-9
    return (weight / weight.sum(-1, keepdim=True)) @ target[known]


def stand_in(counts: np.ndarray) -> np.ndarray:
    """(phones,) the number of the phone whose target each phone uses."""
    out = np.arange(len(PHONES))
    for number, phone in enumerate(PHONES):
        while counts[out[number]] < RAREST and PHONES[out[number]] in RELATIVE:
            out[number] = NUMBER[RELATIVE[PHONES[out[number]]]]
        if counts[out[number]] < RAREST:
            out[number] = NUMBER["AH" if phone in RELATIVE else "D"]
    return out


def batch_of(clips: list[tuple[np.ndarray, Timing]]) -> tuple[Tensor, ...]:
    """Clips of different lengths as tensors: mouths (b, n, 12), phones, starts and ends (b, p), times (b, n).

    After the end of a clip the mouth is NaN; after its last phone the number is -1.
    """
    longest, most = max(len(mouth) for mouth, _ in clips), max(len(timing.phones) for _, timing in clips)
    mouths = np.full((len(clips), longest, 12), np.nan, np.float32)
    phones, edges = np.full((len(clips), most), -1), np.zeros((2, len(clips), most), np.float32)
    for k, (mouth, timing) in enumerate(clips):
        mouths[k, : len(mouth)] = mouth
        phones[k, : len(timing.phones)] = timing.phones
        edges[:, k, : len(timing.phones)] = timing.starts, timing.ends
    moments = np.broadcast_to((np.arange(longest, dtype=np.float32) + 0.5) / 25, mouths.shape[:2])
    return tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in (mouths, phones, *edges, moments))


def fit(clips: list[tuple[np.ndarray, Timing]], steps: int) -> Coarticulation:
    """Fit by least squares to every third clip; how rare a phone is, is counted over all clips."""
    counts = np.bincount(np.concatenate([timing.phones for _, timing in clips]), minlength=len(PHONES))
    shared = torch.from_numpy(stand_in(counts))
    mouths, phones, starts, ends, moments = batch_of(clips[::3])
    known = ~mouths[..., 0].isnan()
    target = torch.zeros(len(PHONES), 12, requires_grad=True)
    logs = torch.tensor([[0.0, -2.7, -2.7]] * len(PHONES)).T.clone().requires_grad_()  # strength, back, forward
    optimizer = torch.optim.Adam([target, logs], lr=0.05)
    for step in range(steps):
        made = blend(target[shared], *logs.exp()[:, shared], phones, starts, ends, moments)
        loss = (made - mouths)[known].square().mean() + 1e-3 * logs.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 40 == 0:
            print(f"step {step}: {float(loss.detach()):.3f}", flush=True)
    with torch.no_grad():
        return Coarticulation(target[shared].numpy().copy(), *(part.numpy() for part in logs.exp()[:, shared]))


def main() -> None:
    from sonic_core.engines.lite.layout import MouthBasis
    from training.ears.corpus import Corpus
    from training.ears.scores import lagged, opening_direction
    from training.ears.store import load

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=240)
    args = parser.parse_args()
    torch.set_num_threads(1)
    sets = {}
    for folder in ("corpus", "held_out"):
        utterances = load(args.work / folder / "s1.npz")
        timings = load_timings(args.work, Corpus({"s1": utterances}), folder)["s1"]
        sets[folder] = [
            (u.mouth, t) for u, t in zip(utterances, timings, strict=True) if u.mouth is not None and t is not None
        ]
    model = fit(sets["corpus"], args.steps)
    np.savez(args.work / "coarticulation.npz", **vars(model))
    opening = opening_direction(MouthBasis.load())
    found = []
    for mouth, timing in sets["held_out"]:
        made = model.mouth(timing, (np.arange(len(mouth), dtype=np.float32) + 0.5) / 25)
        found.append(lagged(made @ opening, mouth @ opening))
    at_0, best, lag = np.mean(found, 0)
    print(f"held-out clips: {at_0:.3f} at lag 0, best {best:.3f} at {lag:+.2f} frames")


if __name__ == "__main__":
    main()
