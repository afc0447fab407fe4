"""Skipping steps whose estimate is predicted to change little, in the manner of EasyCache and TeaCache; no training.

The change of an estimate is predicted from the change of the network's input, at the rate seen between the last two
estimates that were computed. While the predicted change since the last of them stays below a limit, that estimate is
used again.
"""

import math

from torch import Tensor

from sonic_core.sampling.solvers import Estimate


class StepSkipper:
    """Decides which steps of one run to skip. `limit`: the largest change, relative to the estimate, to skip."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.skipped = 0
        self._input: Tensor | None = None  # of the last estimate that was computed
        self._computed: Estimate | None = None
        self._rate: float | None = None  # change of the estimate for a change of the input

    def reuse(self, latents: Tensor, sigma: float) -> Tensor | None:
        """The last computed estimate (n, ...) if it may be used for `latents` at `sigma`, else None."""
        if self._computed is None or self._input is None or self._rate is None:
            return None
        denoised = self._computed.denoised
        change = self._rate * _distance(_scaled(latents, sigma), self._input)
        if change >= self.limit * float(denoised.norm()):
            return None
        self.skipped += 1
        return denoised

    def computed(self, latents: Tensor, estimate: Estimate) -> None:
        """Learn from an estimate that was computed for `latents`."""
        given = _scaled(latents, estimate.sigma)
        if self._computed is not None and self._input is not None:
            moved = _distance(given, self._input)
            self._rate = _distance(estimate.denoised, self._computed.denoised) / max(moved, 1e-12)
        self._input, self._computed = given, estimate


def _scaled(latents: Tensor, sigma: float) -> Tensor:
    """Noisy latents at about unit variance, as the network sees them."""
    return latents / math.sqrt(sigma**2 + 1)


def _distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm())
