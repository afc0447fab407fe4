"""Classifier-free guidance over a chain of branches, each conditioned on more than the one before.

With branches u (nothing), i (image), c (image and audio) and scales (image, audio) the result is
`u + image * (i - u) + audio * (c - i)`; with two branches and one scale it is the usual `u + scale * (c - u)`.
Written as a weighted sum: a branch whose weight is 0 need not be computed, and the result is still exact.

Two switches are approximate, and off by default: `interval` guides only where the noise level lies inside
(Kynkaanniemi et al. 2024, arXiv 2404.07724) and takes the last branch alone elsewhere; `refresh` computes the
direction of guidance only on every so many steps and keeps it in between.
"""

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Guidance:
    """`scales`: one for each step along the chain, so there is one branch more than there are scales."""

    scales: tuple[float, ...] = ()
    interval: tuple[float, float] = (0.0, math.inf)
    refresh: int = 1

    @property
    def branches(self) -> int:
        """Number of branches in the chain."""
        return len(self.scales) + 1

    def weights(self, sigma: float) -> tuple[float, ...]:
        """The weight of each branch at this noise level; they sum to 1."""
        low, high = self.interval
        if not low <= sigma <= high:
            return (0.0,) * len(self.scales) + (1.0,)
        edges = (1.0, *self.scales, 0.0)
        return tuple(a - b for a, b in itertools.pairwise(edges))

    def refreshes(self, step: int) -> bool:
        """Whether the direction of guidance is computed in this step rather than kept."""
        return step % self.refresh == 0


def combine(branches: Tensor, weights: tuple[float, ...]) -> Tensor:
    """Weighted sum over the first axis: (b, ...) -> (...)."""
    return torch.einsum("b...,b->...", branches, branches.new_tensor(weights))
