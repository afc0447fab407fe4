"""How well a predicted opening of the lips follows a real one, and the clips that this is measured on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sonic_core.engines.lite.layout import MouthBasis
from training.ears.store import Utterance, load


def opening_direction(basis: MouthBasis) -> np.ndarray:
    """(12,) what one unit of each mouth coefficient adds to the gap between the inner lips, scaled to unit length."""
    direction = basis.components[:, 14, 1] - basis.components[:, 13, 1]
    return (direction / np.linalg.norm(direction)).astype(np.float32)


def lagged(made: np.ndarray, real: np.ndarray, reach: int = 4) -> tuple[float, float, float]:
    """Correlation at lag 0, its peak, and where that lies in frames (+ = made late), between frames by a parabola."""
    n = min(len(made), len(real))
    made, real = made[:n], real[:n]
    at = [
        float(np.corrcoef(made[max(0, k) : n + min(0, k)], real[max(0, -k) : n - max(0, k)])[0, 1])
        for k in range(-reach, reach + 1)
    ]
    k = int(np.argmax(at))
    shift = 0.0
    if 0 < k < 2 * reach:
        bend = at[k - 1] - 2 * at[k] + at[k + 1]
        shift = 0.5 * (at[k - 1] - at[k + 1]) / bend if bend else 0.0
    return at[reach], at[k], k - reach + shift


def held_out(work: Path) -> list[tuple[Utterance, np.ndarray]]:
    """The held-out clips of GRID's first speaker, each with its real mouth (n, 12)."""
    utterances = load(work / "held_out" / "s1.npz")
    return [(utterance, utterance.mouth) for utterance in utterances if utterance.mouth is not None]


def strangers(work: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Sound (samples,) and real opening (n,) at 25 fps of the clips in WORK/strangers; none without that folder.

    Each is an .npz with `sound` (int16, 16 kHz), and `time` (seconds) and `gap` (face heights, NaN where the face was
    not found) of an outside tracker.
    """
    clips = []
    for path in sorted((work / "strangers").glob("*.npz")):
        stored = np.load(path)
        times, known = stored["time"], np.isfinite(stored["gap"])
        real = np.interp(np.arange(0, times[-1] + 1e-6, 0.04), times[known], stored["gap"][known])
        clips.append((stored["sound"].astype(np.float32) / 32768, real))
    return clips
