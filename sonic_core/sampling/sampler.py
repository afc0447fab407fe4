"""The sampling loop: all frames of a clip are denoised together, step by step, window by window.

It knows tensors and a denoise function. How the function works through the windows (one by one, in batches, on several
devices) and what the frames mean is not its business.
"""

import itertools
from typing import Protocol

import torch
from torch import Tensor

from sonic_core.progress import OnStep
from sonic_core.sampling.guidance import Guidance, combine
from sonic_core.sampling.skipping import StepSkipper
from sonic_core.sampling.solvers import Estimate, Solver, euler
from sonic_core.sampling.windows import Windows, merge_windows


class Denoise(Protocol):
    """Estimate the clean latents of windows at one noise level, once for each branch of guidance."""

    def __call__(self, noisy: Tensor, sigma: float, frames: Tensor, branches: tuple[int, ...]) -> Tensor:
        """Denoise.

        Args:
            noisy: (windows, length, ...) latents at noise level `sigma`.
            sigma: the noise level, above 0.
            frames: (windows, length) int64, the frame of the clip that each entry is.
            branches: which branches of the guidance chain to compute, in this order.

        Returns:
            (branches, windows, length, ...) estimates of the clean latents.
        """
        ...


@torch.inference_mode()
def sample(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Tensor,
    *,
    windows: Windows,
    guidance: Guidance,
    solver: Solver = euler,
    skipper: StepSkipper | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """Denoise a clip.

    Args:
        denoise: the model, see `Denoise`.
        latents: (n, ...) frames at noise level `sigmas[0]`.
        sigmas: (steps + 1,) falling noise levels; the last is 0, or the level at which to stop.
        windows: how the frames are cut for the model in each step.
        guidance: how the branches are combined.
        solver: one of `solvers.SOLVERS`.
        skipper: reuses an earlier estimate where the next would hardly differ; approximate.
        on_step: called after every step.

    Returns:
        (n, ...) latents at noise level `sigmas[-1]`.
    """
    levels = [float(sigma) for sigma in sigmas]
    steps = len(levels) - 1
    guided = GuidedDenoiser(denoise, guidance)
    previous: Estimate | None = None
    for step, (sigma, sigma_next) in enumerate(itertools.pairwise(levels)):
        reused = skipper.reuse(latents, sigma) if skipper is not None else None
        if reused is not None:
            current = Estimate(reused, sigma)
        else:
            current = Estimate(guided(latents, sigma, windows.at(len(latents), step), step), sigma)
            if skipper is not None:
                skipper.computed(latents, current)
        latents = solver(latents, current, previous, sigma_next)
        previous = current
        if on_step is not None:
            on_step(step + 1, steps, current.denoised)
    return latents


class GuidedDenoiser:
    """Estimates the clean latents under guidance, and keeps its direction for steps that do not refresh it."""

    def __init__(self, denoise: Denoise, guidance: Guidance):
        self.denoise, self.guidance = denoise, guidance
        self.direction: Tensor | None = None  # guided minus plain estimate

    def __call__(self, latents: Tensor, sigma: float, frames: Tensor, step: int) -> Tensor:
        """Latents (n, ...) at noise level `sigma`, cut into windows of `frames` -> the clean ones (n, ...)."""
        weights, last = self.guidance.weights(sigma), self.guidance.branches - 1
        keep, guided = self.guidance.refresh > 1, any(weights[:last])
        if guided and keep and self.direction is not None and not self.guidance.refreshes(step):
            return _estimate(self.denoise, latents, sigma, frames, (last,))[0] + self.direction
        used = tuple(b for b, weight in enumerate(weights) if weight or (keep and b == last))
        estimates = _estimate(self.denoise, latents, sigma, frames, used)
        denoised = combine(estimates, tuple(weights[b] for b in used))
        if guided and keep:
            self.direction = denoised - estimates[-1]
        return denoised


def _estimate(denoise: Denoise, latents: Tensor, sigma: float, frames: Tensor, branches: tuple[int, ...]) -> Tensor:
    """Denoise all windows and average them back into frames: (branches, n, ...)."""
    parts = denoise(latents[frames.to(latents.device)], sigma, frames, branches)
    return torch.stack([merge_windows(part, frames, len(latents)) for part in parts])
