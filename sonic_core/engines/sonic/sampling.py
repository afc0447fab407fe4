"""One sampling run: from unit noise to latents, with the user's knobs turned into the sampler's.

`high_quality` is exactly the release; `fast` applies the approximations of the run.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sonic_core.engines.sonic.conditions import Conditions
from sonic_core.engines.sonic.config import SamplerConfig, SonicConfig
from sonic_core.engines.sonic.context import Tokens
from sonic_core.engines.sonic.denoiser import FeatureCache, FrameConditions, WindowDenoiser
from sonic_core.engines.sonic.options import RELEASED, Approximations, Execution
from sonic_core.engines.sonic.preview import preview
from sonic_core.engines.sonic.replicas import Replicas
from sonic_core.progress import OnStep
from sonic_core.sampling import SOLVERS, Guidance, StepSkipper, Windows, align_your_steps, karras_sigmas, sample
from sonic_core.settings import Settings


@dataclass(frozen=True)
class Run:
    """How a model samples: its networks and their settings, and how the work is cut."""

    config: SonicConfig
    replicas: Replicas
    scaling_factor: float  # of the VAE
    approximations: Approximations = RELEASED
    window_batch: int = 1
    branch_batch: int | None = None
    keep_bytes: int = Execution.keep_bytes


@torch.inference_mode()
def sample_latents(noise: Tensor, conditions: Conditions, settings: Settings, run: Run, on_step: OnStep) -> Tensor:
    """Denoise unit noise (n, 4, h, w) to scaled latents (n, 4, h, w), float32 on the CPU.

    `on_step` counts windows, and shows a preview at the end of each step.
    """
    frames, _, height, width = noise.shape
    sampler, approximations = run.config.sampler, run.approximations
    windows = model_windows(sampler)
    sigmas = noise_levels(approximations, settings.inference_steps, run.config)
    progress = _Progress(settings.inference_steps * windows.count(frames), on_step)
    tokens = Tokens(conditions.image_embedding, conditions.tokens, conditions.silence, conditions.mask)
    reuse = approximations.feature_reuse
    denoiser = WindowDenoiser(
        replicas=run.replicas.for_clip(tokens, (height, width), windows.length),
        conditions=FrameConditions(
            conditions.image_latent, scaled_buckets(conditions.buckets, settings, sampler), sampler.fps
        ),
        window_batch=run.window_batch,
        branch_batch=run.branch_batch,
        cache=FeatureCache(frames, reuse, run.keep_bytes) if reuse > 1 else None,
        on_batch=progress.windows,
    )
    return sample(
        denoiser,
        run.scaling_factor * conditions.image_latent + sigmas[0] * noise,
        sigmas,
        windows=windows,
        guidance=guidance(approximations, settings, sampler),
        solver=SOLVERS[approximations.solver],
        skipper=StepSkipper(approximations.skip_below) if approximations.skip_below else None,
        on_step=progress.step,
    )


def model_windows(sampler: SamplerConfig) -> Windows:
    """The windows the model was released with."""
    return Windows(sampler.frames_per_window, sampler.overlap, sampler.shift_offset)


def noise_levels(approximations: Approximations, steps: int, config: SonicConfig) -> Tensor:
    """The sigmas of a run: (steps + 1,)."""
    if approximations.schedule == "align_your_steps":
        return align_your_steps(steps)
    return karras_sigmas(steps, config.scheduler.sigma_min, config.scheduler.sigma_max)


def guidance(approximations: Approximations, settings: Settings, sampler: SamplerConfig) -> Guidance:
    """Image and audio guidance; a scale the user left out is the model's own."""
    image, audio = settings.image_guidance, settings.audio_guidance
    return Guidance(
        scales=(
            sampler.image_guidance if image is None else image,
            sampler.audio_guidance if audio is None else audio,
        ),
        interval=approximations.guidance_interval,
        refresh=approximations.guidance_refresh,
    )


def scaled_buckets(buckets: Tensor, settings: Settings, sampler: SamplerConfig) -> Tensor:
    """Buckets (n, 2): head translation by `motion_scale`, expression by `dynamic_scale`, times the model's scale."""
    scales = torch.tensor([settings.motion_scale, settings.dynamic_scale])
    return buckets * scales * sampler.motion_bucket_scale


class _Progress:
    """Counts windows for the caller."""

    def __init__(self, total: int, on_step: OnStep) -> None:
        self._done, self._total, self._on_step = 0, total, on_step

    def windows(self, count: int) -> None:
        self._done += count
        self._on_step(self._done, self._total, None)

    def step(self, done: int, total: int, denoised: Tensor) -> None:
        self._done = self._total * done // total  # a skipped step is done, too
        self._on_step(self._done, self._total, preview(denoised[len(denoised) // 2]))
