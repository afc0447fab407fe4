"""Count FLOPs, peak memory and operations at full size on the meta device: a UNet call, ours and plain, VAE and RIFE.

python benchmarks/flops.py [--side 64] [--frames 25]
"""

import argparse
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKLTemporalDecoder

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.plain_unet import plain
from benchmarks.shapes import BRANCHES, RELEASED, call_inputs, clip_context, random_tokens, random_unet, window_context
from benchmarks.trace import flops, operations, peak_bytes
from sonic_core.engines.sonic.unet import SonicUNet
from sonic_core.engines.sonic.vae import RELEASED_CONFIG
from sonic_core.video.rife import IFNet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=64, help="latent pixels a side")
    parser.add_argument("--frames", type=int, default=25)
    args = parser.parse_args()
    unet = random_unet(RELEASED, "meta", torch.float16)
    side, frames = args.side, args.frames
    tokens = random_tokens(RELEASED, frames, 8 * side, "meta")
    inputs = call_inputs(RELEASED, frames, side, "meta", torch.float16)
    kept = clip_context(unet, tokens, side, frames)
    report("ours", lambda: ours(unet, inputs, kept, frames))
    single = tuple(x[-1:] if len(x) == len(BRANCHES) else x for x in inputs)
    report("ours, one branch", lambda: unet(*single, kept.of_windows(torch.arange(frames)[None], BRANCHES[-1:])))
    report("ours, deep features reused", lambda: shallow(unet, inputs, kept, frames, side))
    report("once a clip", lambda: clip_context(unet, tokens, side, frames))
    report("plain", lambda: plain_call(unet, inputs, tokens, frames))
    decoding(side)


def ours(unet: SonicUNet, inputs: tuple, kept, frames: int):  # type: ignore[no-untyped-def]
    return unet(*inputs, window_context(kept, frames))


def shallow(unet: SonicUNet, inputs: tuple, kept, frames: int, side: int):  # type: ignore[no-untyped-def]
    deep = torch.empty(
        3, frames, RELEASED.block_out_channels[1], side // 2, side // 2, device="meta", dtype=torch.float16
    )
    return unet.forward_cached(*inputs, window_context(kept, frames), deep)


def plain_call(unet: SonicUNet, inputs: tuple, tokens, frames: int):  # type: ignore[no-untyped-def]
    image = tokens.image.expand(3, frames, 1, -1).half()
    audio = tokens.audio.expand(3, *tokens.audio.shape).half()
    return plain(unet).call(*inputs, image, audio, tokens.mask.half())


def decoding(side: int, chunk: int = 8) -> None:
    """A chunk through the released decoder, and one frame that RIFE makes between two."""
    with torch.device("meta"):
        # diffusers makes the mixing factors on the CPU whatever the default device is
        vae = AutoencoderKLTemporalDecoder(**RELEASED_CONFIG).half().to("meta")
        latents = torch.empty(chunk, 4, side, side, dtype=torch.float16)
        rife = IFNet()
        pair = torch.empty(2, 1, 3, 8 * side, 8 * side)
    report("encoding the portrait", lambda: vae.float().encode(torch.empty(1, 3, 8 * side, 8 * side, device="meta")))
    vae.half()
    report(f"decoding {chunk} frames", lambda: vae.decode(latents, num_frames=chunk))
    report("RIFE, one frame", lambda: rife(*pair))


def report(name: str, call) -> None:  # type: ignore[no-untyped-def]
    print(
        f"{name:<28} {flops(call) / 1e12:8.2f} TFLOP {peak_bytes(call) / 2**30:6.2f} GiB peak beside the weights "
        f"{operations(call):6d} operations",
        flush=True,
    )


if __name__ == "__main__":
    main()
