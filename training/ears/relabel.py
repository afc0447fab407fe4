"""Fit the articulation output of a head again and leave the rest as it is, after the timing of the labels was improved.

    python -m training.ears.relabel --work WORK --head HEAD.safetensors --out FILE [--windows windows ...]

The layers below hear which phone is spoken, and the output reads linearly from them when the lips must act. Writes the
head as it ships, without its phone output.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sonic_core.engines.lite.ear_head import EarHead
from sonic_core.engines.lite.ears import load_head
from training.ears.corpus import Corpus
from training.ears.train import BLIND, Windows, save_head

ROWS, RATE = 4096, 3e-3


@torch.inference_mode()
def read_below(head: EarHead, windows: Windows, batches: int) -> tuple[Tensor, Tensor]:
    """What the articulation output sees (m, width) and what it should say (m, kinds), of the frames with known phones.

    `batches` batches of 16 windows are read.
    """
    seen: list[Tensor] = []
    hook = head.articulation.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    rows, wanted = [], []
    for number in range(batches):
        states, _, asked, _ = windows.batch(np.random.default_rng([number, 77]), 16)
        head(states)
        known = ~asked[..., 0].isnan()
        known[:, -BLIND:] = False
        rows.append(seen.pop()[known].half())
        wanted.append(asked[known])
    hook.remove()
    return torch.cat(rows), torch.cat(wanted)


def fit(layer: torch.nn.Linear, rows: Tensor, wanted: Tensor, steps: int) -> float:
    """Logistic regression that starts from the layer's weights and changes them; returns the last loss."""
    rows, wanted = rows.clone(), wanted.clone()  # autograd does not take tensors made in inference mode
    optimizer = torch.optim.AdamW(layer.parameters(), lr=RATE, weight_decay=1e-3)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / steps)
        picked = torch.randint(len(rows), (ROWS,))
        loss = F.binary_cross_entropy_with_logits(layer(rows[picked].float()), wanted[picked])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--head", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--windows", nargs="+", default=["windows"])
    parser.add_argument("--batches", type=int, default=220)
    parser.add_argument("--steps", type=int, default=3000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    corpus = Corpus.load(args.work)
    windows = Windows.load(args.work, args.windows, corpus)
    head = load_head(args.head)
    rows, wanted = read_below(head, windows, args.batches)
    print(f"{len(rows)} frames, loss {fit(head.articulation, rows, wanted, args.steps):.4f}", flush=True)
    save_head(head, args.out)


if __name__ == "__main__":
    main()
