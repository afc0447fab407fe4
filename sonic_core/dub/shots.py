"""Where one shot of a video ends and the next begins.

A cut is a frame that looks unlike the one before it, and far more so than frames around it do: a camera that pans or
a flash inside a scene changes several frames in a row. Where hardly anything moves, as in an interview in a studio,
much less of a change is a cut than where much does.
"""

from __future__ import annotations

import cv2
import numpy as np

SIZE = (48, 27)  # px of the thumbnails that are compared
CUT = 0.10  # mean change of brightness and colour, 0 to 1, from which a frame may begin a shot
ABOVE_USUAL = 4.0  # times the usual change of the frames before it
# The same where the usual change is known: people who talk exceed it up to 6 times, a cut from one speaker to another
# in one studio 34 to 58 times.
STILL_CUT, ABOVE_STILL = 0.02, 10.0


class CutDetector:
    """Says for one frame after another whether a shot begins with it."""

    def __init__(self) -> None:
        self.last: np.ndarray | None = None
        self.usual = 0.0

    def __call__(self, picture: np.ndarray) -> bool:
        """`picture`: uint8 (h, w, 3). True for the first frame as well."""
        small = cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        before, self.last = self.last, small
        if before is None:
            return True
        change = float(np.abs(small - before).mean())
        is_cut = change > CUT and change > ABOVE_USUAL * self.usual
        is_cut |= change > STILL_CUT and 0 < ABOVE_STILL * self.usual < change
        self.usual = 0.0 if is_cut else 0.8 * self.usual + 0.2 * change
        return is_cut
