"""Mixes many channels down to two without clipping.

The matrix is that of ITU-R BS.775: centre and surround channels at -3 dB on their own side, without low frequency
effects. It is divided by its largest row sum, so that full scale stays full scale.
"""

from __future__ import annotations

import numpy as np

HALF = 0.5**0.5
LEFT, RIGHT, BOTH = (1.0, 0.0), (0.0, 1.0), (HALF, HALF)

# The share of each channel in the left and the right side, by FFmpeg's names of channels.
SHARES: dict[str, tuple[float, float]] = {
    "FL": LEFT, "FR": RIGHT, "FC": BOTH, "LFE": (0, 0), "LFE2": (0, 0),
    "BL": (HALF, 0), "BR": (0, HALF), "SL": (HALF, 0), "SR": (0, HALF), "BC": (0.5, 0.5),
    "FLC": LEFT, "FRC": RIGHT, "WL": LEFT, "WR": RIGHT, "DL": LEFT, "DR": RIGHT,
    "TFL": (HALF, 0), "TFR": (0, HALF), "TBL": (HALF, 0), "TBR": (0, HALF), "TSL": (HALF, 0), "TSR": (0, HALF),
    "TC": (0.5, 0.5), "TFC": (0.5, 0.5), "TBC": (0.5, 0.5),
}  # fmt: skip

# The order of channels in WAV and FLAC files that do not name their layout.
USUAL: dict[int, tuple[str, ...]] = {
    1: ("FC",),
    2: ("FL", "FR"),
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}


def downmix_matrix(names: tuple[str, ...]) -> np.ndarray | None:
    """(2, channels) from channels of these names to left and right; None for one or two, which stay as they are.

    Unknown names stand for the usual order of that many channels; beyond 8, every channel goes to both sides.
    """
    if len(names) <= 2:
        return None
    if not all(name in SHARES for name in names):
        names = USUAL.get(len(names), ("FC",) * len(names))
    matrix = np.array([SHARES[name] for name in names], np.float32).T
    if not matrix.any():  # nothing but low frequency effects
        matrix = np.ones_like(matrix)
    return matrix / matrix.sum(1).max()


def downmixed(samples: np.ndarray, names: tuple[str, ...] = ()) -> np.ndarray:
    """(channels, n) to at most two channels. Peaks stay within those of the loudest channel."""
    matrix = downmix_matrix(names or ("?",) * samples.shape[0])
    return samples if matrix is None else np.ascontiguousarray(matrix @ samples)
