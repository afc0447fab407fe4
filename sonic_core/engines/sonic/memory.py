"""Planning memory before a run: how the work is cut so that it fits, or that it cannot fit.

`benchmarks/flops.py` follows every tensor of a full-size call. The units below are what it counts and a third more, for
what it cannot see: the workspaces of convolutions and the gaps that an allocator leaves. `benchmarks/memory.py` prints
the plans for common cards.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from sonic_core.engines.base import MemoryPlan
from sonic_core.errors import NotEnoughMemoryError

UNET_PEAK = 20.0
"""Peak of a UNet call, in sizes of its first feature map over all frames and branches (15.1 counted)."""

DECODER_PEAK = 11.0
"""Peak of decoding, in sizes of a finished frame with the channels of the decoder's first width (8.0 counted)."""

ENCODER_PEAK = 6.6
"""Peak of encoding the portrait, in sizes of it with the channels of the encoder's first width (5.0 counted)."""

RESERVE = 2**28
"""Left for the libraries' own workspaces."""

SHORTER_CHUNKS = (6, 4, 3, 2)
FEWEST_WHOLE = 4
"""Frames of a chunk below which tiles are tried first: short chunks flicker."""

TILES = (96, 64, 48, 32)
MOST_WINDOWS = 4
SMALL_CALL = 2**30
"""Only calls below this are batched; a larger one fills a device by itself."""

SMALLEST = MemoryPlan(
    peak_bytes=0, decode_chunk=2, window_batch=1, tile=TILES[-1], branch_batch=1, alone=True, notes="the smallest cut"
)


@dataclass(frozen=True)
class Costs:
    """Bytes of the parts of a run."""

    unet: int  # weights
    conditioners: int  # weights of all that is used before sampling
    decoder: int  # weights of all that decodes
    everything: int  # weights of all networks
    encode: int  # encoding the portrait
    kept: int  # what is kept between calls
    call: int  # one UNet call on one window, all branches
    latent_pixel: int  # decoding one latent pixel of one frame


@dataclass(frozen=True)
class Work:
    """What is to be done."""

    latent_size: tuple[int, int]  # (height, width)
    windows: int  # in a step
    branches: int  # of guidance
    chunk: int  # frames the model was released to decode at once
    movable: bool  # networks may leave the device while they are not needed


def network_bytes(*networks: nn.Module | None) -> int:
    """Bytes of all parameters of the networks, each counted once."""
    parameters = {id(p): p for network in networks if network is not None for p in network.parameters()}
    return sum(p.numel() * p.element_size() for p in parameters.values())


def resident_bytes(device: torch.device, networks: list[nn.Module | None]) -> int:
    """Bytes of the parameters that are on `device` already."""
    parameters = (p for network in networks if network is not None for p in network.parameters())
    return sum(p.numel() * p.element_size() for p in parameters if p.device.type == device.type)


def sampling_bytes(width: int, itemsize: int, pixels: int) -> int:
    """Peak of one UNet call beyond its weights; `pixels` of all frames and branches, `width` of the first level."""
    return int(UNET_PEAK * width * itemsize * pixels)


def decoding_bytes(width: int, itemsize: int, pixels: int) -> int:
    """Peak of decoding beyond the weights; `pixels` of the finished frames."""
    return int(DECODER_PEAK * width * itemsize * pixels)


def encoding_bytes(width: int, pixels: int) -> int:
    """Peak of encoding a portrait of `pixels` beyond the weights; it runs in float32."""
    return int(ENCODER_PEAK * width * 4 * pixels)


def plan(costs: Costs, work: Work, available: int) -> MemoryPlan:
    """Choose the cut that fits and changes least.

    The cheapest savings come first: networks that a stage does not need leave the device, then the branches of guidance
    are computed one after another; decoding uses smaller chunks, then tiles.

    Args:
        costs: of the parts.
        work: to be done.
        available: bytes that may be used, those of the networks' own weights included.

    Raises:
        NotEnoughMemoryError: not even the smallest cut fits.
    """
    room = available - RESERVE
    for alone, branches in _ways(work):
        sampling = (costs.unet if alone else costs.everything) + costs.kept + costs.call * branches // work.branches
        conditioning = (costs.conditioners if alone else costs.everything) + costs.encode
        weights = costs.decoder if alone else costs.everything
        fits = max(sampling, conditioning) <= room
        cut = _decoding_cut(room - weights, costs.latent_pixel, work)
        if fits and (cut == (work.chunk, None) or (cut is not None and (alone or not work.movable))):
            break
    else:
        raise NotEnoughMemoryError(_refusal(fits, max(sampling, conditioning), weights, costs, work, available))
    batch = 1
    if costs.call < SMALL_CALL and branches == work.branches:
        batch = max(1, min(work.windows, MOST_WINDOWS, 1 + (room - sampling) // costs.call))
        sampling += (batch - 1) * costs.call
    chunk, tile = cut
    pixels = work.latent_size[0] * work.latent_size[1] if tile is None else tile * tile
    decoding = weights + chunk * pixels * costs.latent_pixel
    notes = (
        f"conditioning {_gib(conditioning)}; sampling {_gib(sampling)}, {batch} window(s) and {branches} branch(es) at "
        f"once; decoding {_gib(decoding)}, {chunk} frames at once"
    )
    if alone:
        notes += "; only the networks of each stage stay on the device"
    if tile is not None:
        notes += f"; in tiles of {tile} x {tile} latent pixels, which may change tones slightly"
    peak = RESERVE + max(conditioning, sampling, decoding)
    return MemoryPlan(peak, chunk, batch, tile, notes, branches, alone)


def _ways(work: Work) -> list[tuple[bool, int]]:
    """(networks of a stage alone on the device, branches at once), the least costly first."""
    ways = [(False, work.branches), (False, 1)]
    return [ways[0], (True, work.branches), (True, 1)] if work.movable else ways


def _cuts(latent_pixel: int, work: Work) -> list[tuple[int, int | None, int]]:
    """Frames at once, tile, bytes: whole frames first, then tiles, then short chunks."""
    frame = work.latent_size[0] * work.latent_size[1] * latent_pixel
    chunks = (work.chunk, *(chunk for chunk in SHORTER_CHUNKS if chunk < work.chunk))
    whole = [(chunk, None, chunk * frame) for chunk in chunks]
    tiles = [(chunk, t, chunk * t * t * latent_pixel) for t in TILES if t < max(work.latent_size) for chunk in chunks]
    fewest = min(FEWEST_WHOLE, work.chunk)
    long = [cut for cut in whole if cut[0] >= fewest]
    short = [cut for cut in whole if cut[0] < fewest]
    return [*long, *tiles, *short]


def _decoding_cut(room: int, latent_pixel: int, work: Work) -> tuple[int, int | None] | None:
    """The first cut that fits, or None."""
    return next(((chunk, tile) for chunk, tile, size in _cuts(latent_pixel, work) if size <= room), None)


def _refusal(fits: bool, sampling: int, weights: int, costs: Costs, work: Work, available: int) -> str:
    least = weights + min(size for _, _, size in _cuts(costs.latent_pixel, work))
    stage, needed = ("decoding", least) if fits else ("sampling", sampling)
    return (
        f"{stage} needs {_gib(needed + RESERVE)} but {_gib(available)} are free; choose a smaller min_resolution or "
        "half precision, or close other programs that use the device"
    )


def free_bytes(device: torch.device) -> int:
    """Bytes a run may use on `device`: what is free, and what torch has reserved and does not use."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    pages = os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 2 if pages else 2**33


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
