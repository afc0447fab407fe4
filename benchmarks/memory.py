"""Say how a run is cut to fit into common cards: the plan and its peak memory at full size, on the meta device.

    python benchmarks/memory.py [--cards 8 12 16 24] [--sizes 512 768 1024] [--seconds 10] [--context 0.8]

`--context` GiB of each card are left to CUDA itself and the desktop. Weights and latents are in half precision.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLTemporalDecoder
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.card import GIB
from benchmarks.shapes import RELEASED
from sonic_core.engines.sonic.checkpoint import RELEASED_IMAGE_ENCODER, laid_out
from sonic_core.engines.sonic.conditions import Networks
from sonic_core.engines.sonic.config import SonicConfig, UNetConfig
from sonic_core.engines.sonic.engine import SonicEngine
from sonic_core.engines.sonic.memory import network_bytes
from sonic_core.engines.sonic.unet import SonicUNet
from sonic_core.engines.sonic.vae import RELEASED_CONFIG, VideoAutoencoder
from sonic_core.errors import NotEnoughMemoryError
from sonic_core.settings import Settings
from sonic_core.speech.tokens import BUCKET_WINDOW, TOKEN_WINDOW, AudioToBucket, AudioToToken
from sonic_core.speech.whisper import WhisperFeatures
from sonic_core.speech.whisper_encoder import WhisperEncoder
from sonic_core.video.rife import IFNet

META = torch.device("meta")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cards", type=float, nargs="+", default=[8, 12, 16, 24], help="GiB")
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 768, 1024], help="pixels a side")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--context", type=float, default=0.8, help="GiB that CUDA and the desktop take")
    args = parser.parse_args()
    engine = full_size_engine()
    print("| card | size | peak | branches at once | stage's networks alone | frames decoded at once | tile |")
    print("|---|---|---|---|---|---|---|")
    for size in args.sizes:
        for card in args.cards:
            print(f"| {card:g} GiB | {size} x {size} | {row(engine, size, args.seconds, card - args.context)} |")


def row(engine: SonicEngine, size: int, seconds: float, free: float) -> str:
    """The plan of one run on one card."""
    # The weights are on the device that is planned for, so their memory is no longer free.
    weights = network_bytes(*vars(engine.net).values())
    try:
        plan = engine.plan_memory(Settings(), (size, size), seconds, int(free * GIB) - weights)
    except NotEnoughMemoryError as error:
        return f"refused: {error} | | | |"
    return (
        f"{plan.peak_bytes / GIB:.1f} GiB | {plan.branch_batch} | {'yes' if plan.alone else 'no'} | "
        f"{plan.decode_chunk} | {plan.tile or 'whole'}"
    )


def full_size_engine(
    device: torch.device = META,
    unet: UNetConfig = RELEASED,
    image_encoder: Mapping[str, Any] = RELEASED_IMAGE_ENCODER,
    vae: Mapping[str, Any] = RELEASED_CONFIG,
) -> SonicEngine:
    """All networks at their released sizes, random weights on `device`, in the precisions of a GPU (or a CPU)."""
    dtype = torch.float32 if device.type == "cpu" else torch.float16
    with device:
        networks = Networks(
            unet=SonicUNet(unet).to(device, dtype).eval(),
            # diffusers makes the mixing factors on the CPU whatever the default device is
            vae=VideoAutoencoder(AutoencoderKLTemporalDecoder(**vae)).to(device).place(device, dtype).eval(),
            image_encoder=CLIPVisionModelWithProjection(CLIPVisionConfig(**image_encoder)).to(device, dtype).eval(),
            speech=WhisperFeatures(WhisperEncoder(bands=80, width=384, feed=1536, layers=4, heads=6, rows=1500)).eval(),
            tokens=AudioToToken(TOKEN_WINDOW * 5 * 384, 1024, 32, 1024).eval(),
            buckets=AudioToBucket(BUCKET_WINDOW * 384 + 1024, 1024, 2).eval(),
            rife=IFNet().eval(),
        )
    for network in vars(networks).values():
        network.requires_grad_(False)
    for parameter in networks.unet.parameters():
        parameter.data = laid_out(parameter.data)
    config = replace(SonicConfig(), unet=unet)
    return SonicEngine(networks, config, device, moves_networks=device.type == "cuda")


if __name__ == "__main__":
    main()
