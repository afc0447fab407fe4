"""The network that denoises head, lids, gaze and brows, given how loud the speech is.

It hears loudness only, since the recordings it learned from come without sound. `context` depends on the speech alone
and is computed once per clip; `forward` runs in every step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonic_core.engines.lite.layout import LIFE


@dataclass(frozen=True)
class MotionConfig:
    channels: int = LIFE.stop - LIFE.start
    hearing: int = 1  # inputs per video frame
    width: int = 96
    layers: int = 3
    reach: int = 8  # frames of speech to either side that the context sees
    heads: int = 4
    styles: int = 2  # inputs that describe the whole clip


class Block(nn.Module):
    """Short convolution, attention and feed-forward, each scaled and gated by the noise level."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(3))
        self.near = nn.Conv1d(width, width, 5, padding=2, groups=width)
        self.mix = nn.Linear(width, width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width))
        self.modulation = nn.Linear(width, 9 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(b, n, w), (b, w) -> (b, n, w)."""
        shift_c, scale_c, gate_c, shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = self.modulation(condition)[
            :, None
        ].chunk(9, -1)
        y = self.norms[0](x) * (1 + scale_c) + shift_c
        y = self.mix(F.gelu(self.near(y.transpose(1, 2)).transpose(1, 2)))
        x = x + (1 + gate_c) * y
        x = x + (1 + gate_a) * self.attend(self.norms[1](x) * (1 + scale_a) + shift_a)
        return x + (1 + gate_f) * self.feed(self.norms[2](x) * (1 + scale_f) + shift_f)

    def attend(self, x: Tensor) -> Tensor:
        b, n, w = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        turn = rotation(n, w // self.heads, x)
        y = F.scaled_dot_product_attention(rotate(q, turn), rotate(k, turn), v)
        return self.out(y.transpose(1, 2).reshape(b, n, w))


class MotionNet(nn.Module):
    """v-prediction, so `denoised = skip * noisy + output * net(input * noisy)`."""

    def __init__(self, config: MotionConfig):
        super().__init__()
        w = config.width
        self.config = config
        kernel = config.reach + 1
        self.hear = nn.ModuleList(
            nn.Conv1d(config.hearing if k == 0 else w, w, kernel, padding=config.reach // 2) for k in range(2)
        )
        self.deaf = nn.Parameter(torch.zeros(w))  # the context of a frame that hears nothing at all
        self.enter = nn.Linear(config.channels, w)
        self.noise = nn.Sequential(nn.Linear(64, w), nn.SiLU(), nn.Linear(w, w))
        self.style = nn.Linear(config.styles, w)
        self.blocks = nn.ModuleList(Block(w, config.heads) for _ in range(config.layers))
        self.leave = nn.Sequential(nn.LayerNorm(w), nn.Linear(w, config.channels))
        self.register_buffer("mean", torch.zeros(config.channels))
        self.register_buffer("deviation", torch.ones(config.channels))

    def context(self, heard: Tensor) -> Tensor:
        """(b, n, hearing) -> (b, n, width): what each frame knows of the speech around it."""
        x = heard.transpose(1, 2)
        for k, layer in enumerate(self.hear):
            y = F.gelu(layer(x))
            x = y if k == 0 else x + y
        return x.transpose(1, 2)

    def forward(self, noisy: Tensor, noise: Tensor, context: Tensor, style: Tensor) -> Tensor:
        """Scaled noisy latents (b, n, c), `0.25 ln sigma` (b,), context (b, n, w), style (b, 2) -> (b, n, c)."""
        condition = F.silu(self.noise(noise_features(noise)) + self.style(style))
        x = self.enter(noisy) + context
        for block in self.blocks:
            x = block(x, condition)
        return self.leave(x)


def noise_features(noise: Tensor) -> Tensor:
    """(b,) -> (b, 64) sines and cosines of the noise level."""
    frequencies = torch.exp(torch.linspace(0, math.log(50), 32, device=noise.device))
    angles = noise.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], -1).to(noise.dtype)


def rotation(n: int, width: int, like: Tensor) -> Tensor:
    """(2, n, width / 2): cosine and sine of rotary positions; attention then depends on distances only."""
    frequencies = 100.0 ** (-torch.arange(0, width, 2, device=like.device) / width)
    angles = torch.arange(n, device=like.device)[:, None] * frequencies
    return torch.stack([angles.cos(), angles.sin()]).to(like.dtype)


def rotate(x: Tensor, turn: Tensor) -> Tensor:
    """Rotate pairs of (b, heads, n, width) by position."""
    a, b = x.chunk(2, -1)
    cos, sin = turn
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)
