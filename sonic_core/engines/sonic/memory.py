"""What a run needs in memory, before it starts: how the work is cut to fit, or that it cannot fit.

`benchmarks/flops.py` follows every tensor of a full-size call: 15.1 and 8.0 of the units below at the peak. A third is
added for what it cannot see: the convolutions' workspaces and the gaps an allocator leaves.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from sonic_core.engines.base import MemoryPlan
from sonic_core.errors import NotEnoughMemoryError

UNET_PEAK = 20.0
"""Peak of a UNet call, in sizes of its first feature map over all frames and branches."""

DECODER_PEAK = 11.0
"""Peak of decoding, in sizes of a finished frame with the channels of the decoder's first width."""

RESERVE = 2**28
"""Left for the libraries' own workspaces."""

CHUNKS = (8, 6, 4, 3, 2)
FEWEST_WHOLE = 4
"""Frames of a chunk below which tiles are tried first: short chunks flicker."""

TILES = (96, 64, 48, 32)
MOST_WINDOWS = 4
SMALL_CALL = 2**30
"""Only calls below this are batched; a larger one fills a device by itself."""

SMALLEST = MemoryPlan(peak_bytes=0, decode_chunk=CHUNKS[-1], window_batch=1, tile=TILES[-1], notes="the smallest cut")


@dataclass(frozen=True)
class Costs:
    """Bytes of the parts of a run."""

    unet: int  # weights
    decoder: int  # weights of all that decodes
    kept: int  # what is kept between calls
    call: int  # one UNet call on one window
    latent_pixel: int  # decoding one latent pixel of one frame


def network_bytes(*networks: nn.Module) -> int:
    """Bytes of all parameters."""
    return sum(p.numel() * p.element_size() for network in networks for p in network.parameters())


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


def plan(costs: Costs, latent_size: tuple[int, int], windows: int, available: int) -> MemoryPlan:
    """Choose the largest window batch, chunk and tile that fit.

    Args:
        costs: of the parts.
        latent_size: (height, width).
        windows: windows in a step.
        available: bytes that may be used.

    Raises:
        NotEnoughMemoryError: not even the smallest cut fits.
    """
    room = available - RESERVE
    fixed = costs.unet + costs.kept
    if fixed + costs.call > room:
        raise NotEnoughMemoryError(
            f"sampling needs {_gib(fixed + costs.call + RESERVE)} but {_gib(available)} are free; choose a smaller "
            "min_resolution or half precision, or close other programs that use the device"
        )
    batch = 1
    if costs.call < SMALL_CALL:
        batch = max(1, min(windows, MOST_WINDOWS, (room - fixed) // costs.call))
    chunk, tile = _decoding_cut(room - costs.decoder, costs.latent_pixel, latent_size)
    pixels = latent_size[0] * latent_size[1] if tile is None else tile * tile
    sampling, decoding = fixed + batch * costs.call, costs.decoder + chunk * pixels * costs.latent_pixel
    notes = f"sampling {_gib(sampling)}, {batch} window(s) at once; decoding {_gib(decoding)}, {chunk} frames at once"
    if tile is not None:
        notes += f" in tiles of {tile} x {tile} latent pixels, which may change tones slightly"
    return MemoryPlan(RESERVE + max(sampling, decoding), chunk, batch, tile, notes)


def _decoding_cut(room: int, latent_pixel: int, latent_size: tuple[int, int]) -> tuple[int, int | None]:
    """Frames at once and tile: whole frames first, then tiles, then short chunks."""
    frame = latent_size[0] * latent_size[1] * latent_pixel
    whole = [(chunk, None, chunk * frame) for chunk in CHUNKS]
    tiles = [(chunk, t, chunk * t * t * latent_pixel) for t in TILES if t < max(latent_size) for chunk in CHUNKS]
    long = [cut for cut in whole if cut[0] >= FEWEST_WHOLE]
    short = [cut for cut in whole if cut[0] < FEWEST_WHOLE]
    for chunk, tile, size in [*long, *tiles, *short]:
        if size <= room:
            return chunk, tile
    least = min(size for _, _, size in [*whole, *tiles])
    raise NotEnoughMemoryError(
        f"decoding needs {_gib(least)} beside its weights but {_gib(max(room, 0))} are free; choose a smaller "
        "min_resolution or half precision, or close other programs that use the device"
    )


def free_bytes(device: torch.device) -> int:
    """Bytes a run may use on `device`: what is free, and what torch holds and does not use."""
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
