"""Time one UNet call with three branches: ours against diffusers' UNet and our own plain twin, on the same weights.

    python benchmarks/unet.py [--sides 16 32] [--frames 25] [--threads 1] [--runs 5]

The runs alternate, and the fastest counts, by processor time and by wall time. The reference is `reference_unet.py`,
which shares no code with ours; the plain twin (`plain_unet.py`) is our network without its savings.
"""

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.plain_unet import plain
from benchmarks.reference_unet import ReferenceContext, call, reference_unet
from benchmarks.shapes import SMALL, call_inputs, clip_context, random_tokens, random_unet, window_context
from benchmarks.trace import peak_bytes

Calls = dict[str, Callable[[], Tensor]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[16, 32], help="latent pixels a side")
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    for side in args.sides:
        with torch.inference_mode():
            report(side, calls(side, args.frames), args.runs)


def calls(side: int, frames: int) -> Calls:
    """One call in three implementations."""
    unet = random_unet(SMALL)
    reference = reference_unet(dataclasses.asdict(SMALL))
    reference.load_state_dict(unet.state_dict())
    twin = plain(unet)
    tokens = random_tokens(SMALL, frames, 8 * side)
    inputs = call_inputs(SMALL, frames, side, "cpu", torch.float32)
    kept = clip_context(unet, tokens, side, frames)
    image = tokens.image.repeat(3, frames, 1, 1)
    image[0] = 0
    silence = tokens.silence.expand_as(tokens.audio)
    audio = torch.stack([silence, silence, tokens.audio])
    context = ReferenceContext(image, audio, tokens.mask, (side, side))
    return {
        "ours": lambda: unet(*inputs, window_context(kept, frames)),
        "reference": lambda: call(reference, *inputs, context),
        "plain twin": lambda: twin.call(*inputs, image, audio, tokens.mask),
    }


def report(side: int, calls: Calls, runs: int) -> None:
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    outputs = {}
    for _ in range(runs):
        for name, run in calls.items():
            outputs[name], *spent = timed(run)
            times[name].append((spent[0], spent[1]))
    best = {name: tuple(min(column) for column in zip(*spent, strict=True)) for name, spent in times.items()}
    peaks = {name: peak_bytes(run) for name, run in calls.items()}
    for name in calls:
        wall, processor = best[name]
        print(
            f"{side:3d} x {side:<3d} {name:<11} {wall:7.2f} s wall {processor:7.2f} s processor "
            f"{peaks[name] / 2**20:6.0f} MiB peak",
            flush=True,
        )
    for name in ("reference", "plain twin"):
        difference = (outputs["ours"] - outputs[name]).abs().max() / outputs[name].abs().max()
        wall, processor = (ours / theirs for ours, theirs in zip(best["ours"], best[name], strict=True))
        print(
            f"{side:3d} x {side:<3d} ours to {name}: {processor:.2f} by processor time, {wall:.2f} by the clock, "
            f"{peaks['ours'] / peaks[name]:.2f} of the peak, largest relative difference {difference:.1e}",
            flush=True,
        )


def timed(run: Callable[[], Tensor]) -> tuple[Tensor, float, float]:
    """The result of a call, its wall seconds and its processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    result = run()
    return result, time.perf_counter() - wall, time.process_time() - processor


if __name__ == "__main__":
    main()
