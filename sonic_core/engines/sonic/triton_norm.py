"""Group norm with SiLU on channels-last memory in three Triton kernels: sums, scale and shift, apply.

Sums are kept for each channel and for chunks of pixels, so that reads are whole lines of memory whatever the number of
channels in a group is (10 at the released width). All arithmetic is in float32.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl
except ImportError:  # not part of torch on Windows, macOS and CPU builds
    triton = None

logger = logging.getLogger(__name__)

AVAILABLE = triton is not None
PIXELS, CHANNELS = 64, 64
"""Pixels and channels of the tile that a program reads at once."""

CHUNK = 1024
"""Pixels summed by one program."""


def current(device: torch.device) -> AbstractContextManager:
    """Makes a card the current one. Triton launches there, whichever card its tensors are on; torch itself does not."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def check(device: torch.device) -> None:
    """Try the kernels on a CUDA device, and give them up for this process where they do not run.

    Triton builds them on the user's machine, which may lack the compiler that it needs for that.
    """
    global AVAILABLE
    if not AVAILABLE:
        return
    try:
        x, weight, bias = (torch.ones(size, device=device) for size in ((1, 32, 2, 2), (32,), (32,)))
        with current(device):
            group_norm(x, 32, weight, bias, 1e-5, True)
    except Exception as error:  # of Triton, of the compiler it calls, or of the driver
        AVAILABLE = False
        logger.warning("group norms run without Triton, a little slower: %s", str(error).strip().splitlines()[0])


def group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float, silu: bool) -> Tensor:
    """(n, c, h, w), channels-last or not -> the same shape in channels-last memory, in the dtype of `x`.

    The card of `x` must be the `current` one.
    """
    rows = x.permute(0, 2, 3, 1).contiguous()  # copies only what is not channels-last
    count, channels = len(rows), rows.shape[-1]
    size = rows.numel() // (count * channels)
    chunks, tiles, blocks = -(-size // CHUNK), -(-size // PIXELS), -(-channels // CHANNELS)
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
        1 << (per_group - 1).bit_length(),
    )
    _apply[count, tiles, blocks](rows, out, affine, size, channels, count * channels, silu, PIXELS, CHANNELS)
    return out.permute(0, 3, 1, 2)


if AVAILABLE:
    # Triton reads annotations as code: an argument may carry `tl.constexpr` and nothing else.

    @triton.jit
    def _sums(  # type: ignore[no-untyped-def]
        rows,
        partial,
        size,
        channels,
        half,
        CHUNK: tl.constexpr,
        PIXELS: tl.constexpr,
        CHANNELS: tl.constexpr,
    ):
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
    def _affine(  # type: ignore[no-untyped-def]
        partial,
        affine,
        weight,
        bias,
        chunks,
        channels,
        per_group,
        size,
        eps,
        half,
        affine_half,
        WIDTH: tl.constexpr,
    ):
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
    def _apply(  # type: ignore[no-untyped-def]
        rows,
        out,
        affine,
        size,
        channels,
        affine_half,
        SILU: tl.constexpr,
        PIXELS: tl.constexpr,
        CHANNELS: tl.constexpr,
    ):
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
