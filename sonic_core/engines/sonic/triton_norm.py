"""Group norm with SiLU on channels-last memory in three Triton kernels: sums, scale and shift, apply.

Sums are kept for each channel and for chunks of pixels, so that reads are whole lines of memory whatever the number of
channels in a group is (10 at the released width). All arithmetic is in float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl
except ImportError:  # not part of torch on Windows, macOS and CPU builds
    triton = None

AVAILABLE = triton is not None
PIXELS, CHANNELS = 64, 64
"""Pixels and channels of the tile that a program reads at once."""

CHUNK = 1024
"""Pixels summed by one program."""


def group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float, silu: bool) -> Tensor:
    """(n, c, h, w), channels-last or not -> the same shape in channels-last memory, in the dtype of `x`."""
    rows = x.permute(0, 2, 3, 1).contiguous()  # copies only what is not channels-last
    count, channels = len(rows), rows.shape[-1]
    size = rows.numel() // (count * channels)
    chunks = triton.cdiv(size, CHUNK)
    blocks = triton.cdiv(channels, CHANNELS)
    partial = torch.empty(2, count, chunks, channels, device=x.device, dtype=torch.float32)
    affine = torch.empty(2, count, channels, device=x.device, dtype=torch.float32)
    out = torch.empty_like(rows)
    _sums[count, chunks, blocks](rows, partial, size, channels, count * chunks * channels, CHUNK, PIXELS, CHANNELS)
    per_group = channels // groups
    _affine[count, groups](
        partial,
        affine,
        weight,
        bias,
        chunks,
        channels,
        per_group,
        size,
        eps,
        count * chunks * channels,
        count * channels,
        triton.next_power_of_2(per_group),
    )
    _apply[count, triton.cdiv(size, PIXELS), blocks](
        rows, out, affine, size, channels, count * channels, silu, PIXELS, CHANNELS
    )
    return out.permute(0, 3, 1, 2)


if AVAILABLE:

    @triton.jit
    def _sums(
        rows: Any,
        partial: Any,
        size: Any,
        channels: Any,
        half: Any,
        CHUNK: tl.constexpr,
        PIXELS: tl.constexpr,
        CHANNELS: tl.constexpr,
    ) -> None:
        """Sums and sums of squares of each channel over a chunk of pixels."""
        image, chunk, block = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
        channel = block * CHANNELS + tl.arange(0, CHANNELS)
        inside = channel < channels
        total = tl.zeros([CHANNELS], dtype=tl.float32)
        squares = tl.zeros([CHANNELS], dtype=tl.float32)
        for start in range(0, CHUNK, PIXELS):
            pixel = chunk * CHUNK + start + tl.arange(0, PIXELS)
            places = (image * size + pixel[:, None]) * channels + channel[None, :]
            values = tl.load(rows + places, mask=(pixel[:, None] < size) & inside[None, :], other=0.0).to(tl.float32)
            total += tl.sum(values, axis=0)
            squares += tl.sum(values * values, axis=0)
        place = (image * tl.num_programs(1) + chunk) * channels + channel
        tl.store(partial + place, total, mask=inside)
        tl.store(partial + half + place, squares, mask=inside)

    @triton.jit
    def _affine(
        partial: Any,
        affine: Any,
        weight: Any,
        bias: Any,
        chunks: Any,
        channels: Any,
        per_group: Any,
        size: Any,
        eps: Any,
        half: Any,
        affine_half: Any,
        WIDTH: tl.constexpr,
    ) -> None:
        """Scale and shift of the channels of one group."""
        image, group = tl.program_id(0).to(tl.int64), tl.program_id(1)
        offset = tl.arange(0, WIDTH)
        inside = offset < per_group
        channel = group * per_group + offset
        total = tl.zeros([WIDTH], dtype=tl.float32)
        squares = tl.zeros([WIDTH], dtype=tl.float32)
        for chunk in range(0, chunks):
            place = (image * chunks + chunk) * channels + channel
            total += tl.load(partial + place, mask=inside, other=0.0)
            squares += tl.load(partial + half + place, mask=inside, other=0.0)
        elements = size * per_group
        mean = tl.sum(total, axis=0) / elements
        variance = tl.maximum(tl.sum(squares, axis=0) / elements - mean * mean, 0.0)
        scale = tl.load(weight + channel, mask=inside, other=0.0).to(tl.float32) / tl.sqrt(variance + eps)
        shift = tl.load(bias + channel, mask=inside, other=0.0).to(tl.float32) - mean * scale
        tl.store(affine + image * channels + channel, scale, mask=inside)
        tl.store(affine + affine_half + image * channels + channel, shift, mask=inside)

    @triton.jit
    def _apply(
        rows: Any,
        out: Any,
        affine: Any,
        size: Any,
        channels: Any,
        affine_half: Any,
        SILU: tl.constexpr,
        PIXELS: tl.constexpr,
        CHANNELS: tl.constexpr,
    ) -> None:
        """Scale, shift and SiLU of one tile."""
        image, tile, block = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
        channel = block * CHANNELS + tl.arange(0, CHANNELS)
        inside = channel < channels
        pixel = tile * PIXELS + tl.arange(0, PIXELS)
        places = (image * size + pixel[:, None]) * channels + channel[None, :]
        mask = (pixel[:, None] < size) & inside[None, :]
        scale = tl.load(affine + image * channels + channel, mask=inside, other=0.0)
        shift = tl.load(affine + affine_half + image * channels + channel, mask=inside, other=0.0)
        value = tl.load(rows + places, mask=mask, other=0.0).to(tl.float32) * scale[None, :] + shift[None, :]
        if SILU:
            value = value / (1.0 + tl.exp(-value))
        tl.store(out + places, value.to(out.dtype.element_ty), mask=mask)
