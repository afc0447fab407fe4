"""Full-size UNet calls on a GPU, random weights: one command that fills the table "On a GPU" of docs/performance.md.

    python benchmarks/gpu.py [--sizes 512 768 1024] [--dtype float16] [--runs 3]

For each size: ours, with the branches of guidance one after another, compiled (512 only: minutes), and diffusers' UNet
with audio attention added (`reference_unet.py`). Then the group norm alone, as it is, composed and torch's. Under ten
minutes. The matrix rate is measured on this card, so the share says how well a call uses it.
"""

import argparse
import dataclasses
import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.reference_unet import ReferenceContext, call, reference_unet
from benchmarks.shapes import RELEASED, call_inputs, clip_context, random_tokens, random_unet, window_context
from benchmarks.trace import flops
from sonic_core.engines.sonic import triton_norm
from sonic_core.engines.sonic.checkpoint import laid_out
from sonic_core.engines.sonic.norms import composed_group_norm

MATRIX = 8192
FRAMES = 25
COMPILED_SIZE = 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 768, 1024], help="pixels a side")
    parser.add_argument("--dtype", choices=["float16", "bfloat16"], default="float16")
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("no CUDA device here; nothing was measured")
    dtype = getattr(torch, args.dtype)
    rate = matrix_rate(dtype)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {args.dtype}: {rate / 1e12:.0f} TFLOP/s")
    print("| size | what | ms a call | share of the matrix rate | peak with weights |")
    print("|---|---|---|---|---|")
    with torch.inference_mode():
        ours(args, dtype, rate)
        torch.cuda.empty_cache()
        reference(args, dtype, rate)
        torch.cuda.empty_cache()
        norms(dtype)


def ours(args: argparse.Namespace, dtype: torch.dtype, rate: float) -> None:
    unet = random_unet(RELEASED, "cuda", dtype)
    for parameter in unet.parameters():
        parameter.data = laid_out(parameter.data)
    for size in args.sizes:
        side = size // 8
        inputs = call_inputs(RELEASED, FRAMES, side, "cuda", dtype)
        kept = clip_context(unet, random_tokens(RELEASED, FRAMES, size, "cuda"), side, FRAMES)
        latents, timestep, scalars = inputs

        def together(network: Callable[..., torch.Tensor], inputs=inputs, kept=kept) -> torch.Tensor:  # type: ignore[no-untyped-def]
            return network(*inputs, window_context(kept, FRAMES))

        def apart(latents=latents, timestep=timestep, scalars=scalars, kept=kept) -> None:  # type: ignore[no-untyped-def]
            for branch in range(3):
                context = kept.of_windows(torch.arange(FRAMES)[None], (branch,))
                unet(latents[branch : branch + 1], timestep, scalars[branch : branch + 1], context)

        run = functools.partial(together, unet)
        work = flops_or_none(run)
        guarded(size, "ours", run, args.runs, work, rate)
        guarded(size, "ours, a branch at a time", apart, args.runs, work, rate)
        if size == COMPILED_SIZE and triton_norm.AVAILABLE:
            compiled = torch.compile(unet, dynamic=False)
            run = functools.partial(together, compiled)
            guarded(size, "ours, compiled", run, args.runs, work, rate)


def reference(args: argparse.Namespace, dtype: torch.dtype, rate: float) -> None:
    with torch.device("cuda"):
        unet = reference_unet(dataclasses.asdict(RELEASED)).to("cuda", dtype)
    for size in args.sizes:
        side = size // 8
        latents, timestep, scalars = call_inputs(RELEASED, FRAMES, side, "cuda", dtype)
        tokens = random_tokens(RELEASED, FRAMES, size, "cuda")
        image = tokens.image.to(dtype).expand(3, FRAMES, 1, -1)
        audio = tokens.audio.to(dtype).expand(3, *tokens.audio.shape)
        context = ReferenceContext(image, audio, tokens.mask, (side, side))
        inputs = latents, timestep, scalars.to(dtype), context
        run = functools.partial(call, unet, *inputs)
        guarded(size, "diffusers' UNet and audio", run, args.runs, flops_or_none(run), rate)


def norms(dtype: torch.dtype) -> None:
    """The largest group norm of a call at 512 pixels, with SiLU, three ways."""
    width = RELEASED.block_out_channels[0]
    x = torch.randn(3 * FRAMES, width, 64, 64, device="cuda", dtype=dtype).to(memory_format=torch.channels_last)
    weight, bias = torch.ones(2, width, device="cuda", dtype=dtype)
    ways: dict[str, Callable[[], torch.Tensor]] = {
        "torch": lambda: torch.nn.functional.silu(torch.nn.functional.group_norm(x, 32, weight, bias)),
        "composed": lambda: composed_group_norm(x, 32, weight, bias, 1e-5, True),
    }
    if triton_norm.AVAILABLE:
        ways["Triton"] = lambda: triton_norm.group_norm(x, 32, weight, bias, 1e-5, True)
    expected = ways["torch"]().float()
    for name, run in ways.items():
        difference = float((run().float() - expected).abs().max())
        layout = "channels last" if run().is_contiguous(memory_format=torch.channels_last) else "contiguous"
        print(f"group norm, {name}: {1e3 * best_of(run, 10):.2f} ms, comes back {layout}, differs by {difference:.1e}")


def flops_or_none(run: Callable[[], object]) -> int | None:
    """FLOPs of a run, None when it does not fit."""
    try:
        return flops(run)
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
        return None


def guarded(size: int, name: str, run: Callable[[], object], runs: int, work: int | None, rate: float) -> None:
    """A row of the table, or why there is none. The compiler's start is not part of the figure."""
    try:
        run()
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        best = best_of(run, runs)
        share = f"{work / best / rate:.0%}" if work is not None else "not counted"
        row = f"{1e3 * best:.0f} | {share} | {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB"
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
        row = "out of memory | | "
    print(f"| {size} | {name} | {row} |", flush=True)


def best_of(run: Callable[[], object], runs: int) -> float:
    """Seconds of the fastest run."""
    times = []
    for _ in range(runs):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


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
