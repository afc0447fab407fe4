"""Diffusion sampling that knows tensors and a denoise function, and no model.

Frames stand on the first axis everywhere: a video latent is (n, 4, h, w), a motion latent (n, D).
"""

from sonic_core.sampling.guidance import Guidance
from sonic_core.sampling.sampler import Denoise, sample
from sonic_core.sampling.schedule import align_your_steps, karras_sigmas, v_scalings
from sonic_core.sampling.skipping import StepSkipper
from sonic_core.sampling.solvers import SOLVERS, dpmpp_2m, euler
from sonic_core.sampling.windows import Windows, circular_windows, merge_windows

__all__ = [
    "SOLVERS",
    "Denoise",
    "Guidance",
    "StepSkipper",
    "Windows",
    "align_your_steps",
    "circular_windows",
    "dpmpp_2m",
    "euler",
    "karras_sigmas",
    "merge_windows",
    "sample",
    "v_scalings",
]
