"""People cut out of a video, frame by frame: coarser at the hair than a photo's matte, and a tenth of its cost.

What the network says is carried on from frame to frame where it hardly changes, so that the edge does not flicker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from sonic_core.matting.foreground import foreground
from sonic_core.matting.matte import enlarged, person, resized, rounded
from sonic_core.matting.net import INPUT

CARRIED = 0.7  # share of the answer for the frame before, where the two agree
MOVED = 0.25  # a difference beyond this is movement, and the new answer counts alone


def cut_frames(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Frames, uint8 (h, w, 3), with the alpha of the people in them: uint8 (h, w, 4), straight."""
    before: np.ndarray | None = None
    for frame in frames:
        small = resized(frame, (INPUT, INPUT))
        before = steadied(person(small), before)
        alpha = rounded(enlarged(frame, small, before))
        yield np.dstack([foreground(frame, alpha), (alpha * 255 + 0.5).astype(np.uint8)])


def steadied(answer: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    """The network's answer averaged with that for the frame before, which counts less the more they differ."""
    if before is None:
        return answer
    share = CARRIED * (1 - np.abs(answer - before) / MOVED).clip(0, 1)
    return answer + share * (before - answer)
