"""Noise levels, from the first (pure noise) to 0, and the scalings of a v-prediction network.

A schedule is a float32 tensor of `steps + 1` sigmas that ends in 0. The data has unit-like variance, so a
noisy latent is `clean + sigma * noise` (Karras et al. 2022, "Elucidating the Design Space", arXiv 2206.00364).
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

ALIGN_YOUR_STEPS_SVD = (700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002)
"""Ten-step noise levels for Stable Video Diffusion (Sabour et al. 2024, "Align Your Steps", arXiv 2404.14507)."""


class Scalings(NamedTuple):
    """What turns a raw network into a denoiser: `skip * x + output * network(input * x, noise)`."""

    input: float
    skip: float
    output: float
    noise: float


def karras_sigmas(steps: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """Return (steps + 1,) float32: `steps` levels from `sigma_max` to `sigma_min`, then 0."""
    ramp = np.linspace(0.0, 1.0, steps)
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return _with_final_zero((high + ramp * (low - high)) ** rho)


def align_your_steps(steps: int, levels: tuple[float, ...] = ALIGN_YOUR_STEPS_SVD) -> Tensor:
    """Return (steps + 1,) float32: the published levels, log-linearly interpolated to `steps`, ending in 0."""
    places = np.linspace(0.0, len(levels) - 1, steps + 1)
    sigmas = np.exp(np.interp(places, np.arange(len(levels)), np.log(levels)))
    return _with_final_zero(sigmas[:-1])


def v_scalings(sigma: float) -> Scalings:
    """Scalings of a v-prediction network trained with the continuous time `0.25 ln sigma`, as SVD was."""
    variance = sigma**2 + 1
    return Scalings(
        input=1 / math.sqrt(variance),
        skip=1 / variance,
        output=-sigma / math.sqrt(variance),
        noise=0.25 * math.log(sigma),
    )


def _with_final_zero(sigmas: np.ndarray) -> Tensor:
    return torch.from_numpy(np.append(sigmas, 0.0).astype(np.float32))
