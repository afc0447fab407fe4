"""Savitzky-Golay smoothing: every value from a parabola through its neighbours, without delay.

The head tracks that the motion network learnt from went through it, to lose the tracker's shake; what the sampler adds
above that is its own noise, two to three times the jerk of real heads, and goes the same way. Written out here because
scipy.signal takes longer to import than a clip of seconds to sample.
"""

from __future__ import annotations

import numpy as np

SPAN = 9  # frames a parabola is laid through, 0.36 s
_PLACES = np.vander(np.arange(SPAN) - SPAN // 2, 3)
_FIT = (_PLACES @ np.linalg.pinv(_PLACES)).astype(np.float32)  # row k: the parabola at place k from the SPAN values


def steadied(track: np.ndarray) -> np.ndarray:
    """(n, d) smoothed over time; both ends lie on the first and the last parabola. Shorter tracks stay as they are."""
    if len(track) < SPAN:
        return track
    half = SPAN // 2
    inner = np.lib.stride_tricks.sliding_window_view(track, SPAN, axis=0) @ _FIT[half]
    return np.concatenate([_FIT[:half] @ track[:SPAN], inner, _FIT[half + 1 :] @ track[-SPAN:]])
