"""Run one call of the UNet at full width on this machine: 6 GB of random float32 weights, 8 x 8 latents, 25 frames.

    python benchmarks/full_width.py [--side 8] [--folder DIR]

The weights are written once as a safetensors file below `--folder` (a temporary folder by default), so that they are
read the way a checkpoint is. Prints seconds and the largest resident size.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.shapes import RELEASED, call_inputs, clip_context, random_tokens, window_context
from sonic_core.engines.sonic.checkpoint import unet_from_state
from sonic_core.engines.sonic.unet import SonicUNet
from sonic_core.weights.read import read_tensors

FRAMES = 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=8, help="latent pixels a side")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--write", type=Path, help="only write the weights to this file")
    parser.add_argument("--call", type=Path, help="only read them from this file and call")
    args = parser.parse_args()
    if args.write:
        write_weights(args.write)
    elif args.call:
        call(args.call, args.side)
    else:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            path = Path(folder) / "unet.safetensors"
            # In a process of its own, so that making the weights is not part of the figure.
            subprocess.run([sys.executable, __file__, "--write", path], check=True)
            subprocess.run([sys.executable, __file__, "--call", path, "--side", str(args.side)], check=True)


def write_weights(path: Path) -> None:
    """Random weights under the published names; norms and mixes at their usual values, the rest small."""
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in SonicUNet(RELEASED).state_dict().items()}
    noise = torch.randn(2**24, generator=torch.Generator().manual_seed(0)).mul_(0.02)  # drawn once, repeated
    state = {}
    for name, shape in shapes.items():
        if "norm" in name:
            state[name] = torch.full(shape, float(name.endswith("weight")))
        else:
            size = shape.numel()
            state[name] = noise.repeat(-(-size // len(noise)))[:size].view(shape).clone()
    save_file(state, path)


@torch.inference_mode()
def call(path: Path, side: int) -> None:
    start = time.perf_counter()
    unet = unet_from_state(RELEASED, read_tensors(path))
    loaded = time.perf_counter()
    tokens = random_tokens(RELEASED, FRAMES, 8 * side)
    inputs = call_inputs(RELEASED, FRAMES, side, "cpu", torch.float32)
    v = unet(*inputs, window_context(clip_context(unet, tokens, side, FRAMES), FRAMES))
    ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"read {loaded - start:.1f} s, call {ended - loaded:.1f} s, finite {bool(v.isfinite().all())}, "
        f"peak {peak / 1e9:.2f} GB"
    )


if __name__ == "__main__":
    main()
