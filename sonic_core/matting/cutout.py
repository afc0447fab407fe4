"""A person cut out of a picture: their own colours and how much of each pixel is theirs."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sonic_core.matting.foreground import foreground
from sonic_core.matting.matte import matte


@dataclass(frozen=True)
class Cutout:
    """Colours, uint8 (h, w, 3), and alpha, uint8 (h, w). Straight: colours are not multiplied with alpha."""

    colours: np.ndarray
    alpha: np.ndarray

    @property
    def pixels(self) -> np.ndarray:
        """Both together: uint8 (h, w, 4)."""
        return np.dstack([self.colours, self.alpha])

    def part(self, box: tuple[int, int, int, int], size: tuple[int, int]) -> Cutout:
        """The part in a box (x1, y1, x2, y2), at `size` (width, height)."""
        x1, y1, x2, y2 = box
        method = cv2.INTER_AREA if size[0] < x2 - x1 else cv2.INTER_CUBIC
        colours, alpha = (
            np.ascontiguousarray(cv2.resize(whole[y1:y2, x1:x2], size, interpolation=method))
            for whole in (self.colours, self.alpha)
        )
        return Cutout(colours, alpha)


def cut_out(image: np.ndarray) -> Cutout:
    """The person in a photo, uint8 (h, w, 3)."""
    alpha = matte(image)
    return Cutout(foreground(image, alpha), (alpha * 255 + 0.5).astype(np.uint8))
