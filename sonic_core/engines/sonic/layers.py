"""Residual blocks, resampling and embeddings of the spatio-temporal UNet.

Feature maps are (b * f, c, h, w) in channels-last memory, where tokens (b * f, h * w, c) and the temporal view
(b, c, f, h * w) are the same bytes: nothing is copied to change between them.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sonic_core.engines.sonic.norms import Norm

GROUPS = 32


def sinusoids(positions: Tensor, channels: int) -> Tensor:
    """Sinusoidal embedding in float32, cosines first: (n,) -> (n, channels)."""
    half = channels // 2
    exponent = -math.log(10000) * torch.arange(half, dtype=torch.float32, device=positions.device) / half
    angles = positions.float()[:, None] * exponent.exp()
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def to_tokens(x: Tensor) -> Tensor:
    """(n, c, h, w) -> (n, h * w, c)."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def from_tokens(tokens: Tensor, height: int, width: int) -> Tensor:
    """(n, h * w, c) -> (n, c, h, w) in channels-last memory."""
    return tokens.unflatten(1, (height, width)).permute(0, 3, 1, 2)


class Embedding(nn.Module):
    """Two linear layers with SiLU between them, which turn sinusoids into a conditioning vector."""

    def __init__(self, channels: int, inner: int, out: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(channels, inner)
        self.linear_2 = nn.Linear(inner, out)

    def forward(self, x: Tensor) -> Tensor:
        # The bias tells the dtype of the activations; a weight may be stored in another.
        return self.linear_2(F.silu(self.linear_1(x.to(self.linear_1.bias.dtype))))


class TimeMixer(nn.Module):
    """Learned blend of a spatial and a temporal result; one number."""

    def __init__(self) -> None:
        super().__init__()
        self.mix_factor = nn.Parameter(torch.tensor([0.5]))

    def forward(self, spatial: Tensor, temporal: Tensor) -> Tensor:
        return torch.lerp(temporal, spatial, self.mix_factor.float().sigmoid().to(spatial.dtype))


class SpatialResBlock(nn.Module):
    """Two 3x3 convolutions on each frame: (n, c, h, w) and a time embedding (n, t) -> (n, out, h, w)."""

    def __init__(self, channels: int, out: int, embed: int, eps: float) -> None:
        super().__init__()
        self.norm1 = Norm(GROUPS, channels, eps=eps)
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1)
        self.time_emb_proj = nn.Linear(embed, out)
        self.norm2 = Norm(GROUPS, out, eps=eps)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        if channels != out:
            self.conv_shortcut = nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        y = self.conv1(self.norm1(x, silu=True))
        y = y + self.time_emb_proj(F.silu(embedding))[:, :, None, None]
        y = self.conv2(self.norm2(y, silu=True))
        return y + (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x)


class TemporalConv(nn.Module):
    """Convolution over three neighbouring frames: (b, c, f, s) -> (b, c, f, s).

    The published weight is that of a 3-D convolution; as a 2-D one over (frames, pixels) it is the same and faster.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight[..., 0], self.bias, padding=(1, 0))


class TemporalResBlock(nn.Module):
    """Two convolutions along time: (b, c, f, s) and a time embedding (b, t) -> (b, c, f, s)."""

    def __init__(self, channels: int, embed: int, eps: float) -> None:
        super().__init__()
        self.norm1 = Norm(GROUPS, channels, eps=eps)
        self.conv1 = TemporalConv(channels)
        self.time_emb_proj = nn.Linear(embed, channels)
        self.norm2 = Norm(GROUPS, channels, eps=eps)
        self.conv2 = TemporalConv(channels)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        y = self.conv1(self.norm1(x, silu=True))
        y = y + self.time_emb_proj(F.silu(embedding))[:, :, None, None]
        return x + self.conv2(self.norm2(y, silu=True))


class SpatioTemporalResBlock(nn.Module):
    """A spatial block, a temporal block on its result, and the blend of the two."""

    def __init__(self, channels: int, out: int, embed: int, eps: float) -> None:
        super().__init__()
        self.spatial_res_block = SpatialResBlock(channels, out, embed, eps)
        self.temporal_res_block = TemporalResBlock(out, embed, eps)
        self.time_mixer = TimeMixer()

    def forward(self, x: Tensor, embedding: Tensor, frames: int) -> Tensor:
        """(b * f, c, h, w), embedding (b, t) -> (b * f, out, h, w)."""
        # `repeat_interleave` would wait for the device in some versions of torch.
        x = self.spatial_res_block(x, embedding[:, None].expand(-1, frames, -1).flatten(0, 1))
        height, width = x.shape[-2:]
        along_time = x.permute(0, 2, 3, 1).reshape(-1, frames, height * width, x.shape[1]).permute(0, 3, 1, 2)
        mixed = self.time_mixer(along_time, self.temporal_res_block(along_time, embedding))
        return from_tokens(mixed.permute(0, 2, 3, 1).flatten(0, 1), height, width)


class Downsample(nn.Module):
    """Halve the size by a strided convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Upsample(nn.Module):
    """Enlarge to `size` by repeating pixels, then convolve."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        return self.conv(F.interpolate(x, size=size, mode="nearest"))
