"""The shape a platform wants: 9:16, 16:9, 1:1 or any size, from a clip of any other shape.

Every output pixel is resampled once, from the clip's own pixels: Lanczos up, area averages down. The picture
stands still: the same part of every frame is shown. Knows nothing of faces but where one is.
"""

from __future__ import annotations

import cv2
import numpy as np

from sonic_core.clip import Clip
from sonic_core.errors import SettingsError
from sonic_core.finishing import CANVAS_MODES, checked_size
from sonic_core.video.windows import mapped

SURROUND_BLUR = 0.04  # standard deviation of the blurred surround, as a share of the canvas' short side
SURROUND_LIGHT = 0.6  # the surround is darker, so that the picture stands out
FACE_HEIGHT = 0.42  # where "fill" puts the face's middle, from the top: eyes near the upper third

Box = tuple[int, int, int, int]


def canvas(
    clip: Clip, size: tuple[int, int], mode: str = "blur", face: tuple[float, float, float, float] | None = None
) -> Clip:
    """Put the clip on a canvas of `size` (width, height).

    fit: the whole picture with black bars; blur: the whole picture over a blurred copy of itself; fill: the canvas is
    covered and what stands over is cut, around `face` (x1, y1, x2, y2 in the clip's pixels) or the middle. Beside a
    clip with alpha there is nothing, so that its new background shows.
    Raises SettingsError for a size no encoder takes or an unknown mode.
    """
    width, height = checked_size(*size)
    if mode not in CANVAS_MODES:
        raise SettingsError(f"canvas mode is {mode!r}; choose one of {', '.join(CANVAS_MODES)}")
    if (width, height) == (clip.width, clip.height):
        return clip
    view = covering_box((clip.width, clip.height), size, face)
    if mode == "fill":
        return mapped(clip, lambda _, frame: resample(frame, view, size), width=width, height=height)
    inner = fitting_size((clip.width, clip.height), size)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2

    def surrounded(_: int, frame: np.ndarray) -> np.ndarray:
        blurred = mode == "blur" and not clip.has_alpha
        out = surround(frame, view, size) if blurred else np.zeros((height, width, clip.channels), np.float32)
        whole = (0, 0, clip.width, clip.height)
        out[top : top + inner[1], left : left + inner[0]] = resample(frame, whole, inner)
        return out

    return mapped(clip, surrounded, width=width, height=height)


def fitting_size(picture: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the picture's shape that fits the room, to the nearest pixel."""
    scale = min(room[0] / picture[0], room[1] / picture[1])
    return max(1, min(room[0], round(picture[0] * scale))), max(1, min(room[1], round(picture[1] * scale)))


def covering_box(
    picture: tuple[int, int], room: tuple[int, int], face: tuple[float, float, float, float] | None = None
) -> Box:
    """The largest part of the picture with the room's shape: around the face as far as the picture reaches."""
    scale = min(picture[0] / room[0], picture[1] / room[1])
    width, height = max(1, round(room[0] * scale)), max(1, round(room[1] * scale))
    left, top = (picture[0] - width) / 2, (picture[1] - height) / 2
    if face is not None:
        left = (face[0] + face[2]) / 2 - width / 2
        top = (face[1] + face[3]) / 2 - height * FACE_HEIGHT
    x, y = round(min(max(left, 0), picture[0] - width)), round(min(max(top, 0), picture[1] - height))
    return x, y, x + width, y + height


def resample(frame: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """The part `box` of a frame, float (h, w, 3 or 4), at `size` (width, height)."""
    return resized(frame, box, size).clip(0, 1)


def resized(picture: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """The part `box` of a picture (h, w, c) of any type at `size` (width, height): Lanczos up, area averages down."""
    x1, y1, x2, y2 = box
    method = cv2.INTER_AREA if size[0] < x2 - x1 else cv2.INTER_LANCZOS4
    return cv2.resize(picture[y1:y2, x1:x2], size, interpolation=method)


def surround(frame: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """The covering part, blurred and darkened. Made small, since nothing fine is left of it anyway."""
    sigma = SURROUND_BLUR * min(size)
    shrink = max(1.0, sigma / 4)
    small_size = max(1, round(size[0] / shrink)), max(1, round(size[1] / shrink))
    small = cv2.GaussianBlur(resample(frame, box, small_size), (0, 0), sigma / shrink)
    return cv2.resize(small, size, interpolation=cv2.INTER_CUBIC).clip(0, 1) * SURROUND_LIGHT
