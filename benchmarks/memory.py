"""How a run is cut to fit into common cards: peak memory by plan at full size, from networks without weights.

    python benchmarks/memory.py [--cards 8 12 16 24] [--sizes 512 768 1024] [--seconds 10] [--context 0.8]

`--context` GiB of each card are taken off for CUDA itself and the desktop. Half precision, as on a GPU.
"""

import argparse
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKLTemporalDecoder
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection, WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.shapes import RELEASED
from sonic_core.engines.sonic.checkpoint import RELEASED_IMAGE_ENCODER
from sonic_core.engines.sonic.conditions import Networks
from sonic_core.engines.sonic.config import SonicConfig
from sonic_core.engines.sonic.engine import SonicEngine
from sonic_core.engines.sonic.memory import network_bytes
from sonic_core.engines.sonic.unet import SonicUNet
from sonic_core.engines.sonic.vae import RELEASED_CONFIG, VideoAutoencoder
from sonic_core.errors import NotEnoughMemoryError
from sonic_core.settings import Settings
from sonic_core.speech.tokens import BUCKET_WINDOW, TOKEN_WINDOW, AudioToBucket, AudioToToken
from sonic_core.speech.whisper import WhisperFeatures
from sonic_core.video.rife import IFNet

GIB = 2**30
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
    """The plan of one run in one card."""
    # The weights are on the device that is planned for, so what they take is no longer free.
    weights = network_bytes(*vars(engine.net).values())
    try:
        plan = engine.plan_memory(Settings(), (size, size), seconds, int(free * GIB) - weights)
    except NotEnoughMemoryError as error:
        return f"refused: {error} | | | |"
    return (
        f"{plan.peak_bytes / GIB:.1f} GiB | {plan.branch_batch} | {'yes' if plan.alone else 'no'} | "
        f"{plan.decode_chunk} | {plan.tile or 'whole'}"
    )


def full_size_engine() -> SonicEngine:
    """The released sizes on the meta device, in the precisions of a GPU."""
    with META:
        networks = Networks(
            unet=SonicUNet(RELEASED).half(),
            vae=VideoAutoencoder(AutoencoderKLTemporalDecoder(**RELEASED_CONFIG)).to(META).place(META, torch.float16),
            image_encoder=CLIPVisionModelWithProjection(CLIPVisionConfig(**RELEASED_IMAGE_ENCODER)).half(),
            speech=WhisperFeatures(whisper_encoder()),
            tokens=AudioToToken(TOKEN_WINDOW * 5 * 384, 1024, 32, 1024),
            buckets=AudioToBucket(BUCKET_WINDOW * 384 + 1024, 1024, 2),
            rife=IFNet(),
        )
    return SonicEngine(networks, SonicConfig(), META)


def whisper_encoder() -> WhisperEncoder:
    return WhisperEncoder(WhisperConfig(d_model=384, encoder_layers=4, encoder_attention_heads=6, encoder_ffn_dim=1536))


if __name__ == "__main__":
    main()
