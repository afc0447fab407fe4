"""GRID in other voices: pitch and formants moved with the WORLD vocoder, timing kept, so the lips still fit.

    python -m training.speech.vocoder --data ../shared/data --work WORK [--copies 3]

The speaker is a man at about 120 Hz. Most copies go up, as far as a child's; pitch and formants move together but
not in step, intonation is flattened or stretched, some copies are breathy. In the held-out clips each copy has
fixed formants, so that what is measured is comparable. Needs pyworld.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

RATE = 16000
HELD_OUT_FORMANTS = (0.86, 1.0, 1.16, 1.26)


def stretch(envelope: np.ndarray, factor: float) -> np.ndarray:
    """Spectra (frames, bins) with what was at frequency f moved to f * factor."""
    bins = envelope.shape[1]
    at = np.minimum(np.arange(bins) / factor, bins - 1)
    low = np.floor(at).astype(int)
    high, share = np.minimum(low + 1, bins - 1), at - low
    return np.ascontiguousarray(envelope[:, low] * (1 - share) + envelope[:, high] * share)


def change(sound: np.ndarray, recipes: list[dict]) -> list[np.ndarray]:
    """One analysis, one synthesis a recipe; all as long as `sound` (samples,)."""
    import pyworld

    x = sound.astype(np.float64)
    pitch, times = pyworld.dio(x, RATE, f0_floor=65, f0_ceil=400, frame_period=5)
    pitch = pyworld.stonemask(x, pitch, times, RATE)
    spectrum = pyworld.cheaptrick(x, pitch, times, RATE, f0_floor=71)
    noise = pyworld.d4c(x, pitch, times, RATE, fft_size=(spectrum.shape[1] - 1) * 2)
    voiced = pitch > 0
    middle = np.median(pitch[voiced]) if voiced.any() else 1.0
    out = []
    for recipe in recipes:
        lively = np.exp(recipe["intonation"] * np.log(np.maximum(pitch, 1) / middle))
        changed = np.where(voiced, middle * recipe["pitch"] * lively, 0.0)
        breath = np.clip(stretch(noise, recipe["formants"]) ** recipe["breath"], 1e-6, 1 - 1e-6)
        made = pyworld.synthesize(changed, stretch(spectrum, recipe["formants"]), breath, RATE, 5.0)[: len(x)]
        out.append(np.pad(np.clip(made, -1, 1), (0, len(x) - len(made))).astype(np.float16))
    return out


def recipe(copy: int, held_out: bool, rng: np.random.Generator) -> dict:
    size = rng.uniform(-1, 1)
    formants = float(np.clip(np.exp(0.06 + 0.17 * size + 0.04 * rng.standard_normal()), 0.86, 1.3))
    if held_out:
        formants = HELD_OUT_FORMANTS[copy % len(HELD_OUT_FORMANTS)]
        size = (formants - 1) / 0.2 * 1.4
    pitch = float(np.clip(np.exp(0.28 + 0.5 * size + 0.12 * rng.standard_normal()), 0.65, 2.3))
    breath = rng.uniform(0.3, 0.8) if rng.random() < 0.3 else 1.0
    return {"formants": formants, "pitch": pitch, "intonation": rng.uniform(0.6, 1.7), "breath": breath}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--copies", type=int, default=3)
    args = parser.parse_args()
    from training.mouth_basis import HELD_OUT_CLIPS  # here, so that `change` needs no more than pyworld
    from training.speech.corpus import grid

    rng = np.random.default_rng(100)
    clips = grid(args.data, args.work)
    copies: list[list[np.ndarray]] = [[] for _ in range(args.copies)]
    for k, clip in enumerate(clips):
        held_out = k >= len(clips) - HELD_OUT_CLIPS
        made = change(clip.audio, [recipe(copy, held_out, rng) for copy in range(args.copies)])
        for copy, sound in zip(copies, made, strict=True):
            copy.append(sound)
        if k % 50 == 0:
            print(f"clip {k} of {len(clips)}", flush=True)
    part = args.work / "grid_world.part.npz"
    np.savez(part, **{f"copy{k}": np.concatenate(copy) for k, copy in enumerate(copies)})
    os.replace(part, args.work / "grid_world.npz")


if __name__ == "__main__":
    main()
