"""One UNet call, three branches, ours against the plain way: time, peak memory, and that the numbers agree.

    python benchmarks/unet.py [--side 32] [--frames 25] [--threads 2] [--runs 3]

The runs alternate and the fastest counts, by wall clock and by processor time: on a busy machine only the second means
much.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.plain_unet import plain
from benchmarks.shapes import SMALL, call_inputs, clip_context, random_tokens, random_unet, window_context
from benchmarks.trace import peak_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=32, help="latent pixels a side")
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    unet = random_unet(SMALL)
    tokens = random_tokens(SMALL, args.frames, 8 * args.side)
    inputs = call_inputs(SMALL, args.frames, args.side, "cpu", torch.float32)
    kept = clip_context(unet, tokens, args.side, args.frames)
    image = tokens.image.repeat(3, args.frames, 1, 1)
    image[0] = 0
    silence = tokens.silence.expand_as(tokens.audio)
    audio = torch.stack([silence, silence, tokens.audio])
    twin = plain(unet)

    def ours() -> Tensor:
        return unet(*inputs, window_context(kept, args.frames))

    def baseline() -> Tensor:
        return twin.call(*inputs, image, audio, tokens.mask)

    times: dict[str, list[tuple[float, float]]] = {"ours": [], "plain": []}
    outputs = {}
    with torch.inference_mode():
        for _ in range(args.runs):
            for name, call in (("ours", ours), ("plain", baseline)):
                outputs[name], *spent = timed(call)
                times[name].append((spent[0], spent[1]))
    wall, processor = ({n: min(t[i] for t in runs) for n, runs in times.items()} for i in (0, 1))
    peak = {"ours": peak_bytes(ours), "plain": peak_bytes(baseline)}
    difference = (outputs["ours"] - outputs["plain"]).abs().max() / outputs["plain"].abs().max()
    for name in ("ours", "plain"):
        print(
            f"{name:<6} {wall[name]:7.2f} s wall  {processor[name]:7.2f} s processor  "
            f"{peak[name] / 2**20:7.0f} MiB peak beside the weights"
        )
    print(
        f"ratio  {wall['ours'] / wall['plain']:7.2f}         {processor['ours'] / processor['plain']:7.2f}"
        f"              {peak['ours'] / peak['plain']:7.2f}           largest relative difference {difference:.1e}"
    )


def timed(call: Callable[[], Tensor]) -> tuple[Tensor, float, float]:
    """Result, seconds by the clock, seconds of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    result = call()
    return result, time.perf_counter() - wall, time.process_time() - processor


if __name__ == "__main__":
    main()
