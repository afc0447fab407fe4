"""Compare the peak memory of decoding and writing a long clip with that of a short one.

    python benchmarks/decode.py [--seconds 10 300] [--size 512]

Each length runs in a process of its own and reports its largest resident size. Latents are random and in half
precision, as a run on a GPU keeps them. Frames go through the engine's chunks and their cross-fade, from 12.5 to 25 a
second, into an MP4 in a temporary folder. The decoder is a single random convolution, since a real one adds the same to
every length and would take a CPU hours.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sonic_core.clip import Clip
from sonic_core.engines.sonic.engine import to_frames
from sonic_core.engines.sonic.options import Execution
from sonic_core.engines.sonic.vae import decode_chunks
from sonic_core.media.video import save_video
from sonic_core.video.interpolate import interpolate

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
    """Decode random latents and write the frames as an MP4."""
    torch.manual_seed(0)
    decoder = nn.Sequential(nn.Conv2d(4, 3 * 8 * 8, 3, padding=1), nn.PixelShuffle(8)).requires_grad_(False)
    latents = torch.empty(round(seconds * 12.5), 4, size // 8, size // 8, dtype=torch.float16)
    for frame in latents:  # one by one, or all of them would be held in float32, too
        frame.copy_(torch.randn(frame.shape))

    def make():  # type: ignore[no-untyped-def]  # an iterator of numpy chunks
        for frames in decode_chunks(lambda part: decoder(part.float()), latents, CHUNK, Execution.decode_overlap):
            yield to_frames(frames)

    clip = interpolate(Clip(size, size, len(latents), Fraction("12.5"), make), 25, "repeat")
    with tempfile.TemporaryDirectory() as folder:
        save_video(clip, Path(folder) / "clip.mp4")


if __name__ == "__main__":
    main()
