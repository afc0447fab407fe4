"""Measure the error and the saving of every approximate switch.

    python benchmarks/approximations.py FOLDER [--seconds 2] [--size 128] [--device cpu]

FOLDER is a model folder; the portrait and the speech are synthetic. Errors are root mean square differences of the
latents, in units of their standard deviation, from those of 25 exact Euler steps (what the release shows) and from
those of 100 (where more steps lead). 25 Euler steps have an error of their own, which a better solver does not share.
The cost counts UNet rows (one branch of a window); a reused row counts by its share of the FLOPs.

With random weights this shows only that the switches work; quality must be judged with trained weights.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sonic_core.engines import sonic
from sonic_core.engines.sonic.options import FAST, RELEASED, Approximations
from sonic_core.face.detect import Face
from sonic_core.face.framing import Portrait
from sonic_core.settings import Settings

SHALLOW_SHARE = 36.5 / 95.2  # see benchmarks/flops.py
EXACT_STEPS, MANY_STEPS = 25, 100

CASES: dict[str, tuple[int, Approximations]] = {
    "25 steps, exact": (EXACT_STEPS, RELEASED),
    "15 steps": (15, RELEASED),
    "10 steps": (10, RELEASED),
    "10, align your steps": (10, Approximations(schedule="align_your_steps")),
    "10, dpmpp_2m": (10, Approximations(solver="dpmpp_2m")),
    "10, both": (10, Approximations(schedule="align_your_steps", solver="dpmpp_2m")),
    "10, both, interval: fast": (10, FAST),
    "10, fast, refresh 2": (10, replace(FAST, guidance_refresh=2)),
    "10, fast, reuse 2": (10, replace(FAST, feature_reuse=2)),
    "10, fast, skip below 0.1": (10, replace(FAST, skip_below=0.1)),
    "25, interval": (25, Approximations(guidance_interval=FAST.guidance_interval)),
    "25, refresh 2": (25, Approximations(guidance_refresh=2)),
    "25, reuse 2": (25, Approximations(feature_reuse=2)),
    "25, skip below 0.05": (25, Approximations(skip_below=0.05)),
    "25, skip below 0.1": (25, Approximations(skip_below=0.1)),
    "25, skip below 0.2": (25, Approximations(skip_below=0.2)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    engine = sonic.load(args.folder, args.device, latents_folder=None)
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (args.size, args.size, 3), dtype=np.uint8)
    quarter = args.size / 4
    face = Face((quarter, quarter, 3 * quarter, 3 * quarter), np.zeros((478, 3), np.float32), 1.0)
    speech = (0.1 * random.standard_normal(round(args.seconds * 16000))).astype(np.float32)
    conditions = engine.condition(Portrait(image, face), speech, Settings())

    def run(steps: int, approximations: Approximations) -> tuple[torch.Tensor, float]:
        engine.approximations = approximations
        rows = Rows(engine.net.unet)
        return engine.sample(conditions, Settings(inference_steps=steps, fast=True)).values.float(), rows.stop()

    goal, _ = run(MANY_STEPS, RELEASED)
    exact, unit = run(EXACT_STEPS, RELEASED)
    print(f"{'':<28} from {EXACT_STEPS} steps  from {MANY_STEPS}   cost")
    for name, case in CASES.items():
        latents, cost = run(*case)
        errors = [float((latents - other).square().mean().sqrt() / other.std()) for other in (exact, goal)]
        print(f"{name:<28} {errors[0]:13.3f} {errors[1]:9.3f} {cost / unit:6.2f}", flush=True)


class Rows:
    """Counts the rows that a UNet computes; a shallow row counts by its share."""

    def __init__(self, unet: torch.nn.Module) -> None:
        self.unet, self.real, self.count = unet, unet.forward_cached, 0.0
        unet.forward_cached = self.call  # type: ignore[assignment]

    def call(self, latents, timestep, scalars, context, deep):  # type: ignore[no-untyped-def]
        self.count += len(latents) * (1.0 if deep is None else SHALLOW_SHARE)
        return self.real(latents, timestep, scalars, context, deep)

    def stop(self) -> float:
        """Give the UNet its own `forward` back and return the count."""
        del self.unet.forward_cached
        return self.count


if __name__ == "__main__":
    main()
