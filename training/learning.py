"""What the training loops share: the learning rate, one step of AdamW, the averaged net, checkpoints and files."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

WARM_UP, FLOOR = 200, 0.01


def rate_factor(step: int, steps: int) -> float:
    """Share of the peak learning rate in a step: it rises over 200 steps and falls by a half cosine to 1 %."""
    falling = 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))
    return min(1.0, (step + 1) / WARM_UP) * (FLOOR + (1 - FLOOR) * falling)


class Learner:
    """A net that learns, the running average of its weights, and the number of steps it has had.

    `groups` are AdamW's parameter groups; the `lr` of each is its peak. The average reaches back about `horizon` steps,
    fewer at first, so that the first guesses are forgotten. It is the average that is measured and ships.
    """

    def __init__(self, net: nn.Module, groups: Iterable[dict[str, Any]], horizon: int):
        self.net, self.average, self.horizon, self.step = net, copy.deepcopy(net).eval(), horizon, 0
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]

    def learn(self, loss: Tensor, steps: int) -> None:
        """One step down a loss, out of `steps` in all."""
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * rate_factor(self.step, steps)
        self.optimizer.zero_grad()
        loss.backward()
        for group in self.optimizer.param_groups:
            nn.utils.clip_grad_norm_(group["params"], 1.0)
        self.optimizer.step()
        share = max(1 / self.horizon, 1 / (1 + 0.2 * self.step))
        with torch.no_grad():
            states = self.average.state_dict(), self.net.state_dict()
            for slow, fast in zip(*(state.values() for state in states), strict=True):
                if slow.is_floating_point():
                    slow.lerp_(fast, share)
                else:
                    slow.copy_(fast)
        self.step += 1

    def save(self, path: Path) -> None:
        """Write a checkpoint that `resume` goes on from."""
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {"net": self.net.state_dict(), "average": self.average.state_dict()}
        part = path.with_suffix(".part")
        torch.save(state | {"optimizer": self.optimizer.state_dict(), "step": self.step}, part)
        os.replace(part, path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint, if there is one."""
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


def halved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as they ship: float16, and counts as they are."""
    return {name: value.detach().half() if value.is_floating_point() else value for name, value in state.items()}


def save_weights(state: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write safetensors under a temporary name, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file({name: value.cpu().contiguous() for name, value in state.items()}, part, metadata=metadata)
    os.replace(part, path)
