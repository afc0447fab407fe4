"""What the parts of `benchmarks/gpu.py` share: the card, its clock, and rows that are printed and kept at once.

On a CPU (`--tiny`) everything runs with small networks and times the processor, to try the script before a card is at
hand; memory reads 0 there.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.shapes import RELEASED
from sonic_core.engines.sonic.config import UNetConfig

GIB = 2**30
TINY = UNetConfig(block_out_channels=(32, 64, 128, 128), num_attention_heads=(1, 2, 4, 4))
WARM_MATRIX, MATRIX = 512, 8192


@dataclass
class Card:
    """Where and what is measured, and how long there is for it."""

    device: torch.device
    dtype: torch.dtype
    runs: int
    ends: float  # of `time.monotonic`
    out: Path | None
    rate: float = 0.0  # FLOP/s of a large matrix product
    rows: dict[str, list[dict]] = field(default_factory=dict)

    @property
    def tiny(self) -> bool:
        return self.device.type == "cpu"

    @property
    def config(self) -> UNetConfig:
        return TINY if self.tiny else RELEASED

    @property
    def frames(self) -> int:
        """Frames of a window."""
        return 6 if self.tiny else 25

    @property
    def name(self) -> str:
        return "a CPU, small networks" if self.tiny else torch.cuda.get_device_name()

    @property
    def seconds_left(self) -> float:
        return self.ends - time.monotonic()

    def synchronize(self) -> None:
        if not self.tiny:
            torch.cuda.synchronize()

    def empty(self) -> None:
        """Give unused memory back and forget the peak."""
        if not self.tiny:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    @property
    def peak_bytes(self) -> int:
        """Most that was allocated since `empty`."""
        return 0 if self.tiny else torch.cuda.max_memory_allocated()

    def row(self, table: str, **figures: object) -> None:
        """Print a row and keep it in the file."""
        self.rows.setdefault(table, []).append(figures)
        print(f"[{table}] " + " | ".join(f"{name}: {value}" for name, value in figures.items()), flush=True)
        if self.out is not None:
            self.out.write_text(
                json.dumps({"card": self.name, "torch": torch.__version__, "rows": self.rows}, indent=1)
            )

    def guarded(self, table: str, name: str, measure: Callable[[], dict]) -> None:
        """A row of what `measure` returns, or of why there is none."""
        try:
            self.row(table, what=name, **measure())
        except Exception as error:  # a rerun costs more than a row
            self.row(table, what=name, failed=f"{type(error).__name__}: {str(error).splitlines()[0][:200]}")
        self.empty()

    def seconds(self, run: Callable[[], object], runs: int | None = None) -> float:
        """Seconds of the fastest run. What a first run sets up is not part of it: call `run` once before."""
        times = []
        for _ in range(runs or self.runs):
            self.synchronize()
            start = time.perf_counter()
            run()
            self.synchronize()
            times.append(time.perf_counter() - start)
        return min(times)

    def call(self, run: Callable[[], object], work: int | None = None) -> dict:
        """Time, share of the matrix rate and peak of something that makes `work` FLOPs."""
        run()
        self.empty()
        best = self.seconds(run)
        figures = {"ms": round(1e3 * best, 1), "peak GiB": round(self.peak_bytes / GIB, 2)}
        if work and self.rate:
            figures["share of the matrix rate"] = f"{work / best / self.rate:.0%}"
        return figures

    def measure_rate(self) -> None:
        """FLOP/s of a large matrix product on this card."""
        side = WARM_MATRIX if self.tiny else MATRIX
        a, b = torch.randn(2, side, side, device=self.device, dtype=self.dtype)

        def products() -> None:
            for _ in range(10):
                a @ b

        products()
        self.rate = 10 * 2 * side**3 / self.seconds(products, 3)
        copied = torch.empty(2**20 if self.tiny else 2**30, device=self.device, dtype=torch.uint8)
        place = torch.empty_like(copied)
        bandwidth = 2 * copied.numel() / self.seconds(lambda: place.copy_(copied), 10)
        self.row(
            "card", name=self.name, dtype=str(self.dtype), TFLOPs=round(self.rate / 1e12), GBs=round(bandwidth / 1e9)
        )


def kernels(run: Callable[[], object]) -> dict[str, tuple[int, float]]:
    """Launches and milliseconds of every CUDA kernel of a run, by name."""
    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as record:
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    found: dict[str, tuple[int, float]] = {}
    for event in record.events():
        if event.device_type == DeviceType.CUDA:
            count, spent = found.get(event.name, (0, 0.0))
            found[event.name] = (count + 1, spent + event.time_range.elapsed_us() / 1e3)
    return found
