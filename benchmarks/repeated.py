"""A short sound made long, for benchmarks of time and memory."""

from __future__ import annotations

import numpy as np

from sonic_core.clip import Audio


def repeated(audio: Audio, seconds: float) -> Audio:
    """The sound repeated for exactly that many seconds."""
    count = round(seconds * audio.rate)
    return Audio(np.tile(audio.samples, -(-count // audio.samples.shape[1]))[:, :count], audio.rate)
