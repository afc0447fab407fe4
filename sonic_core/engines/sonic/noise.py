"""The noise a run starts from: ours, the same on every device, or that of the released code."""

import torch
from torch import Tensor

RELEASE_SEED = 72589
"""The default of the released code."""

IMAGE_DRAW = (1, 1)
"""Batch and frames of the noise that the released code draws for the image's latent, before that of the clip.

An assumption. Known are its place (first), its device and its precision; one latent is what a single
image has. Another shape would move the generator on by another number of draws, and change every value after it.
"""


def start_noise(frames: int, latent_size: tuple[int, ...], seed: int) -> Tensor:
    """Unit noise (n, 4, h, w), drawn on the CPU in float32: a seed means the same on every device."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(frames, *latent_size, generator=generator)


def release_noise(frames: int, latent_size: tuple[int, ...], seed: int, device: torch.device) -> Tensor:
    """Unit noise (n, 4, h, w) as the released code draws it: on the device, in half precision.

    It draws noise for the image's latent first (`IMAGE_DRAW`), which has no strength and only moves the generator on.
    `seed` 0 stands for the release's default. The numbers of a CUDA card, a CPU and an Apple GPU differ.
    """
    generator = torch.Generator(device).manual_seed(seed or RELEASE_SEED)

    def draw(batch: int, count: int) -> Tensor:
        return torch.randn(batch, count, *latent_size, generator=generator, device=device, dtype=torch.float16)

    draw(*IMAGE_DRAW)
    return draw(1, frames)[0].float().cpu()
