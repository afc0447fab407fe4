"""Savitzky-Golay smoothing: every value from a parabola through its neighbours, without delay.

The head tracks that the motion network learnt from went through it, to lose the tracker's shake; what the sampler adds
above that is its own noise, two to three times the jerk of real heads, and goes the same way. Written out here because
scipy.signal takes longer to import than a clip of seconds to sample.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

SPAN = 9  # frames a parabola is laid through, 0.36 s


def steadied(track: np.ndarray, span: int = SPAN) -> np.ndarray:
    """(n, d) smoothed over time; both ends lie on the first and the last parabola. Shorter tracks stay as they are.

    `span`: how many frames, an odd number, a parabola is laid through.
    """
    if len(track) < span:
        return track
    fit, half = _fit(span), span // 2
    inner = np.lib.stride_tricks.sliding_window_view(track, span, axis=0) @ fit[half]
    return np.concatenate([fit[:half] @ track[:span], inner, fit[half + 1 :] @ track[-span:]])


@lru_cache
def _fit(span: int) -> np.ndarray:
    """(span, span) float32; row k: the parabola at place k from that many values."""
    places = np.vander(np.arange(span) - span // 2, 3)
    return (places @ np.linalg.pinv(places)).astype(np.float32)
