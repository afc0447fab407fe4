"""The Sonic model at full size on a GPU, random weights: one command for "On a GPU" of docs/performance.md.

    python benchmarks/gpu.py [--limit 540] [--only calls clips] [--out FOLDER] [--sizes 512 768 1024] [--dtype float16]

The parts run in the order of their weight, each is printed row by row, and what does not fit into `--limit` seconds is
left out. Ten minutes on an H100 are enough for all. `--tiny` runs the same on a CPU with small networks, to try it.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import gpu_calls, gpu_clips, gpu_parts  # noqa: E402
from benchmarks.card import Card  # noqa: E402

TESTS = "tests/engines/sonic/test_on_cuda.py"
DEFAULT = ("tests", "precision", "calls", "kernels", "reference", "plans", "decoding", "clips", "operations", "small")
DEFAULT += ("compile", "switches")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 768, 1024], help="pixels a side")
    parser.add_argument("--dtype", choices=["float16", "bfloat16"], default="float16")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--limit", type=float, default=540, help="seconds in all")
    parser.add_argument("--only", nargs="+", help="these parts")
    parser.add_argument("--out", type=Path, help="folder for the figures as JSON")
    parser.add_argument("--tiny", action="store_true", help="small networks on a CPU")
    args = parser.parse_args()
    if not args.tiny and not torch.cuda.is_available():
        sys.exit("no CUDA device here; nothing was measured")
    torch.set_grad_enabled(False)
    card = Card(
        device=torch.device("cpu" if args.tiny else "cuda"),
        dtype=torch.float32 if args.tiny else getattr(torch, args.dtype),
        runs=1 if args.tiny else args.runs,
        ends=time.monotonic() + args.limit,
        out=args.out / f"gpu_{'_'.join(args.only or ['all'])}.json" if args.out else None,
    )
    sizes = [64, 128] if args.tiny else args.sizes
    card.guarded("card", "rate", lambda: card.measure_rate() or {})
    for name, (least, part) in parts(card, sizes).items():
        if name not in (args.only or DEFAULT):
            continue
        if card.seconds_left < least:
            print(f"{name} was left out: {card.seconds_left:.0f} s are left", flush=True)
            continue
        start = time.monotonic()
        card.guarded("part", name, lambda part=part, start=start: part() or {"s": round(time.monotonic() - start)})


def parts(card: Card, sizes: list[int]) -> dict[str, tuple[float, Callable[[], None]]]:
    """Name -> seconds that must be left, and the part itself. `compiled` runs apart: it cannot be stopped here."""
    tests = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", TESTS]
    small = 64 if card.tiny else gpu_calls.SMALL
    return {
        "tests": (60, lambda: apart(card, tests, 120)),
        "precision": (15, lambda: gpu_calls.precision(card)),
        "calls": (30, lambda: gpu_calls.ours(card, sizes)),
        "kernels": (10, lambda: gpu_calls.profile_ours(card, sizes[0])),
        "reference": (30, lambda: gpu_calls.reference(card, sizes)),
        "plans": (60, lambda: gpu_clips.plans(card)),
        "decoding": (10, lambda: gpu_clips.decoding(card)),
        "clips": (60, lambda: gpu_clips.clips(card)),
        "operations": (10, lambda: gpu_parts.single_operations(card)),
        "small": (10, lambda: gpu_calls.calls_at(card, gpu_calls.made_unet(card), small)),
        "compile": (60, lambda: apart(card, again(card, "compiled"), card.seconds_left)),
        "switches": (30, lambda: gpu_clips.switches(card)),
        "compiled": (0, lambda: gpu_calls.compiled(card, sizes[0])),
    }


def again(card: Card, part: str) -> list[str]:
    """This script in a process of its own."""
    out = ["--out", str(card.out.parent)] if card.out else []
    return [sys.executable, __file__, "--only", part, "--sizes", "512", *out, *(["--tiny"] if card.tiny else [])]


def apart(card: Card, command: list[str], limit: float) -> None:
    """Run a command whose output goes where ours goes, for at most `limit` seconds."""
    card.empty()
    done = subprocess.run(command, cwd=ROOT, timeout=min(limit, card.seconds_left), check=False)
    if done.returncode:
        raise RuntimeError(f"{command[1:4]} ended with {done.returncode}")


if __name__ == "__main__":
    main()
