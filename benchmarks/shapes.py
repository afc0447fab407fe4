"""Networks and inputs of the benchmarks: random weights of any size, on any device."""

import torch
from torch import Tensor

from sonic_core.engines.sonic.config import UNetConfig
from sonic_core.engines.sonic.context import ClipContext, Tokens
from sonic_core.engines.sonic.unet import Context, SonicUNet

RELEASED = UNetConfig()
SMALL = UNetConfig(block_out_channels=(64, 128, 256, 256), num_attention_heads=(1, 2, 4, 4))
BRANCHES = (0, 1, 2)


def random_unet(config: UNetConfig, device: str = "cpu", dtype: torch.dtype = torch.float32) -> SonicUNet:
    """A UNet with random weights, made on its device."""
    with torch.device(device):
        return SonicUNet(config).to(dtype).eval().requires_grad_(False)


def random_tokens(config: UNetConfig, frames: int, pixels: int, device: str = "cpu") -> Tokens:
    """Random tokens for a clip, and a mask over the middle of the picture."""
    width = config.cross_attention_dim
    mask = torch.zeros(pixels, pixels, device=device)
    mask[pixels // 4 : -pixels // 4, pixels // 4 : -pixels // 4] = 1
    return Tokens(
        image=torch.randn(width, device=device),
        audio=torch.randn(frames, config.audio_tokens, width, device=device),
        silence=torch.randn(config.audio_tokens, width, device=device),
        mask=mask,
    )


def call_inputs(
    config: UNetConfig, frames: int, side: int, device: str, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Latents, timestep and scalars of one call with three branches on a window of `frames`."""
    latents = torch.randn(len(BRANCHES), frames, config.in_channels, side, side, device=device, dtype=dtype)
    timestep = torch.full((1,), 0.5, device=device)
    scalars = torch.tensor([[12.5, 16.0, 16.0]], device=device).repeat(len(BRANCHES), 1)
    return latents, timestep, scalars


def clip_context(unet: SonicUNet, tokens: Tokens, side: int, frames: int) -> ClipContext:
    """The context kept for a clip."""
    return ClipContext(unet, tokens, (side, side), frames, keep_bytes=2**31)


def window_context(kept: ClipContext, frames: int) -> Context:
    """The context of the first window."""
    return kept.of_windows(torch.arange(frames)[None], BRANCHES)
