"""A picture prepared for fast reading between its pixels: doubled and slightly sharpened once, then read linearly.

Reading a doubled picture linearly costs a quarter of cubic interpolation and looks the same: on faces 46 to 55 dB from
it, with as much gradient energy. What lies beyond the edges of the picture goes on from them, the blurrier the further
out, so that a head that moves away from an edge uncovers neither a mirror image nor streaks.
"""

from __future__ import annotations

import cv2
import numpy as np

DENSITY = 2
SHARPEN = 0.1  # makes up for what linear interpolation between the doubled pixels blurs
LARGEST = 32_000  # px a side that cv2.remap can address


class Texture:
    """Part of a picture, uint8 (h, w) or (h, w, 3), that can be looked up anywhere."""

    def __init__(self, picture: np.ndarray, corner: tuple[float, float] = (0, 0), beyond: int = 0):
        """`corner` (x, y): where the picture's first pixel lies; `beyond`: px to go on past its edges."""
        wide = extended(picture, beyond)
        self.density = DENSITY if DENSITY * max(wide.shape[:2]) < LARGEST else 1
        if self.density > 1:
            wide = cv2.resize(wide, None, fx=DENSITY, fy=DENSITY, interpolation=cv2.INTER_CUBIC)
            kernel = np.array([-SHARPEN, 1 + 2 * SHARPEN, -SHARPEN], np.float32)
            wide = cv2.sepFilter2D(wide, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
        self.pixels = wide
        self.offset = np.array([beyond - corner[0], beyond - corner[1]], np.float32)

    def look_up(self, places: np.ndarray) -> np.ndarray:
        """The colours at (h, w, 2) float32 places (x, y): uint8, as many channels as the picture has."""
        return self.at(self.own(places))

    def own(self, places: np.ndarray) -> np.ndarray:
        """Places in the texture's own, denser pixels."""
        return (places + self.offset) * np.float32(self.density) + np.float32((self.density - 1) / 2)

    def at(self, own: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """The colours at places in the texture's own pixels, written into `out` where it is given."""
        return read(self.pixels, own, out)

    def part(self, points: np.ndarray) -> tuple[slice, slice]:
        """The rows and columns of the texture's pixels that hold places (n, 2), as far as there are any."""
        own = self.own(points.astype(np.float32))
        size = [self.pixels.shape[1], self.pixels.shape[0]]
        (x1, y1), (x2, y2) = (
            np.clip(edge, 0, size).astype(int) for edge in (np.floor(own.min(0)), np.ceil(own.max(0)))
        )
        return slice(y1, y2), slice(x1, x2)

    def places(self, part: tuple[slice, slice]) -> np.ndarray:
        """(h, w, 2) float32 places of a part of the texture's pixels: the way back of `own`."""
        y, x = np.mgrid[part].astype(np.float32)
        own = np.stack([x, y], -1) - np.float32((self.density - 1) / 2)
        return own / np.float32(self.density) - self.offset


def read(pixels: np.ndarray, own: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """uint8 pixels (H, W) or (H, W, c), read linearly in fixed point at (h, w, 2) float32 places among them."""
    whole, between = cv2.convertMaps(own, None, cv2.CV_16SC2)  # type: ignore[call-overload]
    return cv2.remap(pixels, whole, between, cv2.INTER_LINEAR, out, borderMode=cv2.BORDER_REPLICATE)


def extended(picture: np.ndarray, beyond: int) -> np.ndarray:
    """The picture with `beyond` px more on every side: its edges go on, more and more blurred."""
    if beyond <= 0:
        return picture
    wide = cv2.copyMakeBorder(picture, beyond, beyond, beyond, beyond, cv2.BORDER_REPLICATE)
    for reach in (beyond // 16, beyond // 4):  # pixels further out than this are blurred as much
        if reach < 1:
            continue
        soft = cv2.GaussianBlur(wide, (0, 0), reach)
        inner = np.s_[beyond - reach : wide.shape[0] - beyond + reach, beyond - reach : wide.shape[1] - beyond + reach]
        soft[inner] = wide[inner]
        wide = soft
    wide[beyond:-beyond, beyond:-beyond] = picture
    return wide
