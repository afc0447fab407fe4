"""How a run is carried out: exact switches, which leave the result alone, and approximate ones, which change it."""

import math
from dataclasses import dataclass
from typing import Literal

COMPILE_FRAMES = 375
"""Frames of the model in 30 seconds."""

GRAPH_PIXELS = 64 * 64 * 25
"""Latent pixels of one branch of a window at 512 x 512. Up to this size a fast card waits for the processor."""


@dataclass(frozen=True)
class Execution:
    """Exact switches: they change time and memory, and the result only by rounding.

    `devices` share the windows of a step (the first is where the engine was loaded). `compile` runs the UNet through
    `torch.compile`: slow to start, then faster; None does so on CUDA for clips of over `COMPILE_FRAMES`, where that
    pays. `graphs` replays the calls of the UNet as CUDA graphs where it is not compiled; None does so on CUDA for
    calls of up to `GRAPH_PIXELS`. `keep_bytes` caps what is kept between steps of the audio keys and values.
    `window_batch` and `branch_batch` (windows of a step, branches of guidance at once) are None for what
    `plan_memory` finds. `decode_overlap` is how many frames neighbouring decoded chunks share and cross-fade: 0 gives
    the release's frames, flashes at the cuts included.
    """

    devices: tuple[str, ...] = ()
    compile: bool | None = None
    graphs: bool | None = None
    window_batch: int | None = None
    branch_batch: int | None = None
    decode_overlap: int = 2
    keep_bytes: int = 2**30


@dataclass(frozen=True)
class Approximations:
    """Approximate switches: they save calls of the UNet and change the result. The defaults change nothing.

    `schedule` and `solver` only pay with few steps. Guidance is applied inside `guidance_interval` of noise levels;
    its direction is computed on every `guidance_refresh`-th step; deep features on every `feature_reuse`-th. A step is
    skipped whose estimate is predicted to change by less than `skip_below` of itself.
    """

    schedule: Literal["karras", "align_your_steps"] = "karras"
    solver: Literal["euler", "dpmpp_2m"] = "euler"
    guidance_interval: tuple[float, float] = (0.0, math.inf)
    guidance_refresh: int = 1
    feature_reuse: int = 1
    skip_below: float = 0.0


RELEASED = Approximations()

FAST = Approximations(
    schedule="align_your_steps",
    solver="dpmpp_2m",
    guidance_interval=(0.28, 100.0),
)
"""What the preset `fast` turns on; docs/performance.md has the error of each switch."""
