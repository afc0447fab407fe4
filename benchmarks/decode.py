"""Peak memory of decoding and writing a long clip against a short one, with a small random VAE.

    python benchmarks/decode.py [--seconds 10 300] [--size 512]

Each length runs in a process of its own and reports its largest resident size. Latents are random; frames go through
the engine's lazy clip, interpolation by repetition or RIFE left out, into an MP4 in a temporary folder.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sonic_core.clip import Clip
from sonic_core.engines.sonic.engine import DECODE_OVERLAP, to_frames
from sonic_core.engines.sonic.vae import VideoAutoencoder, decode_chunks
from sonic_core.finish.interpolate import interpolate
from sonic_core.media.video import save_video

VAE_CONFIG = {
    "block_out_channels": [32, 32, 32, 32],
    "layers_per_block": 1,
    "latent_channels": 4,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "scaling_factor": 0.18215,
}
CHUNK = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, nargs="+", default=[10, 300])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--one", action="store_true", help="run one length here and print its peak in bytes")
    args = parser.parse_args()
    if args.one:
        decode_and_write(args.seconds[0], args.size)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        return
    peaks = {}
    for seconds in args.seconds:
        command = [sys.executable, __file__, "--one", "--seconds", str(seconds), "--size", str(args.size)]
        peaks[seconds] = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{seconds:6.0f} s of {args.size} x {args.size}: peak {peaks[seconds] / 1e6:.0f} MB", flush=True)
    print(f"growth {(peaks[args.seconds[-1]] - peaks[args.seconds[0]]) / 1e6:.0f} MB")


def decode_and_write(seconds: float, size: int) -> None:
    """Random latents -> frames -> MP4."""
    from diffusers import AutoencoderKLTemporalDecoder

    torch.manual_seed(0)
    vae = VideoAutoencoder(AutoencoderKLTemporalDecoder(**VAE_CONFIG).eval().requires_grad_(False))
    latents = torch.randn(round(seconds * 12.5), 4, size // 8, size // 8)

    def make():  # type: ignore[no-untyped-def]  # an iterator of numpy chunks
        for frames in decode_chunks(vae.decode, latents, CHUNK, DECODE_OVERLAP):
            yield to_frames(frames).astype(np.float32, copy=False)

    clip = interpolate(Clip(size, size, len(latents), Fraction("12.5"), make), 25, "repeat")
    with tempfile.TemporaryDirectory() as folder:
        save_video(clip, Path(folder) / "clip.mp4")


if __name__ == "__main__":
    main()
