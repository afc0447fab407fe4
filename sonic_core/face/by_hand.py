"""Faces that the user points at: a box as text, a painted mask, or numbers. Nothing here detects faces."""

from __future__ import annotations

import numpy as np

from sonic_core.errors import InputError, SettingsError

FloatBox = tuple[float, float, float, float]


def parse_box(text: str) -> FloatBox | None:
    """ "x1 y1 x2 y2", with commas or spaces between; None for empty text. Raises SettingsError."""
    if not text.strip():
        return None
    try:
        numbers = tuple(float(part) for part in text.replace(",", " ").split())
    except ValueError:
        numbers = ()
    if len(numbers) != 4:
        raise SettingsError(
            f"face_box is {text[:60]!r}; give four numbers x1 y1 x2 y2 in pixels of the photo, or nothing"
        )
    return numbers[0], numbers[1], numbers[2], numbers[3]


def parse_faces(text: str) -> tuple[int, ...] | None:
    """ "1 0", with commas or spaces between; None for empty text. Raises SettingsError."""
    if not text.strip():
        return None
    try:
        return tuple(int(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise SettingsError(f"faces is {text[:60]!r}; give the number of a face for each voice, like 1 0") from None


def box_of_mask(mask: np.ndarray, size: tuple[int, int]) -> FloatBox | None:
    """The box around what is painted in `mask` (h, w) in [0, 1], in pixels of a photo of `size` (width, height).

    A mask of another size is stretched over the photo. None when nothing is painted (an image without transparency
    comes with such a mask). Raises InputError for a mask of another shape.
    """
    if mask.ndim == 3 and mask.shape[0] == 1:
        mask = mask[0]
    if mask.ndim != 2:
        raise InputError(f"the face mask has shape {tuple(mask.shape)}; give one mask (height, width)")
    rows, columns = np.flatnonzero((mask > 0.5).any(1)), np.flatnonzero((mask > 0.5).any(0))
    if not len(rows):
        return None
    across, down = size[0] / mask.shape[1], size[1] / mask.shape[0]
    return (
        float(columns[0] * across),
        float(rows[0] * down),
        float((columns[-1] + 1) * across),
        float((rows[-1] + 1) * down),
    )
