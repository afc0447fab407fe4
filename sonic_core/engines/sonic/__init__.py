"""The published Sonic model as an engine: exact by default, fast when asked.

The heavy libraries are imported only when a model is loaded.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from sonic_core.engines.sonic.checkpoint import SvdParts
    from sonic_core.engines.sonic.eight_bit import EightBit
    from sonic_core.engines.sonic.engine import SonicEngine


def load(
    folder: str | os.PathLike[str],
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    *,
    svd: str | os.PathLike[str] | None = None,
    svd_parts: "SvdParts | None" = None,
    rest_device: torch.device | str | None = None,
    latents_folder: str | os.PathLike[str] | None = "auto",
    eight_bit: "EightBit | None" = None,
    **execution: Any,
) -> "SonicEngine":
    """Load a model folder (`unet.pth`, `audio2token.pth`, `audio2bucket.pth`, `whisper-tiny/`, `RIFE/flownet.pkl`).

    Args:
        folder: the released layout; `.safetensors` twins are preferred.
        device: where to compute.
        dtype: of the UNet, the image encoder and the decoder; left out: float16 on a GPU, float32 on the CPU.
        svd: a diffusers SVD-XT folder or an `svd_xt*.safetensors` file; left out: looked for near `folder`.
        svd_parts: VAE and image encoder that a host has loaded already.
        rest_device: where the weights wait, for a host that moves them to `device` itself when they are needed.
        latents_folder: where sampled latents wait until they are decoded, so that a crash costs no sampling; "auto"
            is the user's cache, None keeps none.
        eight_bit: store the UNet's weights in 8 bits, "int8" or "fp8" (see `eight_bit`): 1.6 GB instead of 3.2, and a
            result that differs a little.
        execution: fields of `options.Execution` (devices, compile, graphs, window_batch, keep_bytes).

    Raises:
        ModelError: a file is missing, damaged or does not fit, or the device cannot multiply in fp8.
    """
    from sonic_core.engines.sonic.checkpoint import read_networks
    from sonic_core.engines.sonic.eight_bit import check_fp8, store_in_eight_bits
    from sonic_core.engines.sonic.engine import SonicEngine
    from sonic_core.engines.sonic.latents_file import default_folder
    from sonic_core.engines.sonic.options import Execution

    device = torch.device(device)
    dtype = dtype or (torch.float32 if device.type == "cpu" else torch.float16)
    if eight_bit == "fp8":
        check_fp8(device)
    if rest_device is not None:  # a recorded graph does not notice when a host moves its weights
        execution.setdefault("graphs", False)
    rest = torch.device(rest_device) if rest_device is not None else device
    networks, config = read_networks(Path(folder), Path(svd) if svd is not None else None, rest, dtype, svd_parts)
    if eight_bit is not None:
        store_in_eight_bits(networks.unet, eight_bit)
    kept = default_folder() if latents_folder == "auto" else Path(latents_folder) if latents_folder else None
    return SonicEngine(
        networks,
        config,
        device,
        Execution(**execution),
        latents_folder=kept,
        moves_networks=rest_device is None,
    )
