"""Solvers of the probability-flow ODE: one step from a noise level to the next.

A solver is a function of the latents, this step's denoised estimate and the one before. Both estimates cover
the whole clip, so a multistep solver has a history for every frame, in whatever windows the frames were denoised.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class Estimate(NamedTuple):
    """A denoised estimate (n, ...) and the noise level it was made at."""

    denoised: Tensor
    sigma: float


Solver = Callable[[Tensor, Estimate, Estimate | None, float], Tensor]
"""(latents, current, previous or None, next sigma) -> latents at the next sigma."""


def euler(latents: Tensor, current: Estimate, previous: Estimate | None, sigma_next: float) -> Tensor:
    """First order; `previous` is not used."""
    slope = (latents - current.denoised) / current.sigma
    return latents + slope * (sigma_next - current.sigma)


def dpmpp_2m(latents: Tensor, current: Estimate, previous: Estimate | None, sigma_next: float) -> Tensor:
    """DPM-Solver++ (2M): second order at one evaluation a step (Lu et al. 2022, arXiv 2211.01095).

    The first step has no history and the last one, to 0, needs none: both are first order.
    """
    if sigma_next == 0:
        return current.denoised
    denoised = current.denoised
    log_step = math.log(current.sigma / sigma_next)
    if previous is not None:
        ratio = math.log(previous.sigma / current.sigma) / log_step
        denoised = denoised + (denoised - previous.denoised) / (2 * ratio)
    return (sigma_next / current.sigma) * latents - math.expm1(-log_step) * denoised


SOLVERS: dict[str, Solver] = {"euler": euler, "dpmpp_2m": dpmpp_2m}
