"""One full-size UNet call on a GPU, random weights, float16: ms, share of the card's matrix rate, peak memory.

    python benchmarks/gpu.py [--side 64] [--frames 25] [--dtype float16] [--runs 5] [--compile]

Beside it stands diffusers' stock SVD UNet on the same shapes. The matrix rate is measured on this card, so the share
says how well the call uses it.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.shapes import RELEASED, call_inputs, clip_context, random_tokens, random_unet, window_context
from benchmarks.trace import flops

MATRIX = 8192


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=64, help="latent pixels a side")
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument("--dtype", choices=["float16", "bfloat16"], default="float16")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="also ours through torch.compile")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("no CUDA device here; nothing was measured")
    dtype = getattr(torch, args.dtype)
    rate = matrix_rate(dtype)
    print(f"{torch.cuda.get_device_name()}, {args.dtype}: {rate / 1e12:.0f} TFLOP/s in a {MATRIX} matrix product")
    with torch.inference_mode():
        ours(args, dtype, rate)
        torch.cuda.empty_cache()
        stock(args, dtype, rate)


def ours(args: argparse.Namespace, dtype: torch.dtype, rate: float) -> None:
    unet = random_unet(RELEASED, "cuda", dtype)
    inputs = call_inputs(RELEASED, args.frames, args.side, "cuda", dtype)
    kept = clip_context(unet, random_tokens(RELEASED, args.frames, 8 * args.side, "cuda"), args.side, args.frames)

    def call() -> torch.Tensor:
        return unet(*inputs, window_context(kept, args.frames))

    report("ours", call, args.runs, rate)
    if args.compile:
        compiled = torch.compile(unet, dynamic=False)
        report("ours, compiled", lambda: compiled(*inputs, window_context(kept, args.frames)), args.runs, rate)


def stock(args: argparse.Namespace, dtype: torch.dtype, rate: float) -> None:
    """diffusers' UNet: no audio, one image token, context repeated over pixels."""
    from diffusers import UNetSpatioTemporalConditionModel

    with torch.device("cuda"):
        unet = UNetSpatioTemporalConditionModel(num_attention_heads=RELEASED.num_attention_heads).to(dtype).eval()
    latents, timestep, scalars = call_inputs(RELEASED, args.frames, args.side, "cuda", dtype)
    context = torch.randn(len(latents), 1, RELEASED.cross_attention_dim, device="cuda", dtype=dtype)
    report("stock SVD", lambda: unet(latents, timestep, context, scalars.to(dtype)).sample, args.runs, rate)


def report(name: str, call: Callable[[], torch.Tensor], runs: int, rate: float) -> None:
    work = flops(call)  # also the warm-up
    call()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    best = min(times)
    print(
        f"{name:<16} {1e3 * best:7.0f} ms   {work / 1e12:6.1f} TFLOP   {work / best / rate:5.0%} of the matrix rate   "
        f"peak {torch.cuda.max_memory_allocated() / 2**30:5.2f} GiB with weights",
        flush=True,
    )


def matrix_rate(dtype: torch.dtype, runs: int = 20) -> float:
    """FLOP/s of a large matrix product on this card."""
    a, b = torch.randn(2, MATRIX, MATRIX, device="cuda", dtype=dtype)
    for _ in range(3):
        a @ b
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(runs):
        a @ b
    torch.cuda.synchronize()
    return 2 * MATRIX**3 * runs / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
