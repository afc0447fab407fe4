"""How bright and which colour the inside of a mouth is, place by place: a small net that has seen real mouths.

A mouth's opening is stretched onto a rectangle, its width from corner to corner and its height from lip to lip. For
each place the net says, for a mouth of this shape, on this skin and in this light, how dark and how bright that place
is (the 15th and the 85th percentile) and what is usual there (the median). Teeth have the bright tone, the depth of
the mouth the dark one, the tongue the usual one. The net knows tones, no detail: `interior.py` draws the teeth and
the tongue and gives them these tones. `training/renderer/mouth_tone.py` made the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from safetensors.numpy import load_file

from sonic_core.engines.lite.landmarks import (
    LEFT_LOWER_LID,
    LEFT_UPPER_LID,
    LOWER_LIP,
    RIGHT_LOWER_LID,
    RIGHT_UPPER_LID,
    UPPER_LIP,
)
from sonic_core.engines.lite.lips import Lips
from sonic_core.engines.lite.pose import FaceFit

WEIGHTS = Path(__file__).parent / "weights" / "mouth_tone.safetensors"
COLUMNS, ROWS = 32, 12  # of the rectangle
LEVELS = (0.15, 0.5, 0.85)  # percentiles: dark, usual, bright
INSET = 0.08  # of the opening's height, left out along both lips
PROFILE = np.linspace(0.08, 0.92, 9)  # places between the corners at which the lips' shape is read
LUMINANCE = np.array([0.30, 0.59, 0.11], np.float32)
CHEEKS = ([50, 205, 187, 123], [280, 425, 411, 352])


@dataclass(frozen=True)
class MouthTone:
    """A net of two hidden layers, `tanh`, over normalised features."""

    tensors: dict[str, np.ndarray]

    @staticmethod
    def load(path: Path = WEIGHTS) -> MouthTone:
        return MouthTone({name: tensor.astype(np.float32) for name, tensor in load_file(path).items()})

    def tones(self, shape: np.ndarray, light: np.ndarray) -> np.ndarray:
        """(3, ROWS, COLUMNS, 3) float32 in [0, 1]: each place's colour at the LEVELS.

        `shape` (19,) and `light` (12,) are the features of the mouth and of its photo.
        """
        t = self.tensors
        x = np.clip((np.concatenate([shape, light]) - t["mean"]) / t["deviation"], -3, 3)
        for layer in ("first", "second"):
            x = np.tanh(np.einsum("oi,i->o", t[f"{layer}.weight"], x) + t[f"{layer}.bias"])
        tones = 1 / (1 + np.exp(-(np.einsum("oi,i->o", t["last.weight"], x) + t["last.bias"])))
        return np.sort(tones.reshape(len(LEVELS), ROWS, COLUMNS, 3), 0)  # a colour's levels never cross

    def tooth(self, light: np.ndarray) -> np.ndarray:
        """(3,) the colour in [0, 1] of the brightest teeth of a usual smile in this light."""
        bright = self.tones(self.tensors["smile"], light)[2].reshape(-1, 3)
        return bright[bright @ LUMINANCE >= brightest(bright)].mean(0)


def luminance(colours: np.ndarray) -> np.ndarray:
    """(h, w) brightness of float32 colours (h, w, 3)."""
    return cv2.transform(colours, LUMINANCE[None])


def brightest(tones: np.ndarray) -> float:
    """The luminance of tones (..., 3) that one place in ten exceeds."""
    found = luminance(tones.reshape(1, -1, 3))[0]
    tenth = len(found) // 10
    return float(-np.partition(-found, tenth)[tenth])


def shape_features(lips: Lips, unit: float) -> np.ndarray:
    """(19,) the lips' opening and upper edge along the mouth, and its width, in canonical units of `unit` px."""
    along = PROFILE * (len(lips.places) - 1)
    index = np.arange(len(lips.places))
    opening = np.interp(along, index, lips.lower_height - lips.upper_height)
    corners = np.interp(PROFILE, [0, 1], lips.upper_height[[0, -1]])
    upper = np.interp(along, index, lips.upper_height) - corners
    return np.concatenate([opening, upper, [lips.right - lips.left]]).astype(np.float32) / np.float32(unit)


def light_features(photo: np.ndarray, points: np.ndarray, fit: FaceFit) -> np.ndarray:
    """(12,) the whites of the eyes, the lips' and both cheeks' colours in [0, 1], and how far the head is turned."""
    whites = pixels_within(photo, [np.concatenate([points[upper], points[lower][::-1]]) for upper, lower in
                                   ((RIGHT_UPPER_LID, RIGHT_LOWER_LID), (LEFT_UPPER_LID, LEFT_LOWER_LID))])  # fmt: skip
    lips = pixels_within(photo, [np.concatenate([points[ring[0]], points[ring[3]][::-1]])
                                 for ring in (UPPER_LIP, LOWER_LIP)])  # fmt: skip
    cheeks = [np.median(pixels_within(photo, [points[cheek]]), 0) for cheek in CHEEKS]
    colours = np.concatenate([[np.percentile(whites.mean(1), 80)], np.median(lips, 0), *cheeks]) / 255
    turn = fit.axes[2, :2] / fit.scale
    return np.concatenate([colours, turn]).astype(np.float32)


def places(lips: Lips) -> np.ndarray:
    """(ROWS, COLUMNS, 2) where in the picture the middles of the rectangle's cells lie."""
    share = (np.arange(COLUMNS) + 0.5) / COLUMNS
    along = lips.left + share * (lips.right - lips.left)
    upper, lower = (np.interp(along, lips.places, edge) for edge in (lips.upper_height, lips.lower_height))
    height = INSET + (1 - 2 * INSET) * (np.arange(ROWS)[:, None] + 0.5) / ROWS
    down = upper + height * (lower - upper)
    return (along[None, :, None] * lips.across + down[..., None] * lips.down).astype(np.float32)


def pixels_within(photo: np.ndarray, outlines: list[np.ndarray]) -> np.ndarray:
    """(n, 3) float32 pixels inside outlines (m, 2); one grey pixel when there are none."""
    low = np.maximum(np.floor(np.concatenate(outlines).min(0)), 0).astype(int)
    high = np.maximum(np.ceil(np.concatenate(outlines).max(0)) + 1, low + 1).astype(int)
    part = photo[low[1] : high[1], low[0] : high[0]]
    mask = np.zeros(part.shape[:2], np.uint8)
    for outline in outlines if mask.size else ():
        cv2.fillPoly(mask, [np.round(outline - low).astype(np.int32)], 1)
    found = part[mask > 0].astype(np.float32)
    return found if len(found) else np.full((1, 3), 120, np.float32)
