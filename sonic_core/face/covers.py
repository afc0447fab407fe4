"""Whether something hides the mouth (a mask, a hand, a cup, a microphone), and whether glasses are worn, clear or dark.

A small net looks once at an upright crop of the face. Its answer decides what can be drawn: a hidden mouth shows no
lips to open, eyes behind dark lenses show no lids to close, and glasses do not bend with the face.
`training/face/covers.py` made the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from safetensors.torch import load_file

from sonic_core.face import align, points
from sonic_core.face.detect import WEIGHTS, load_weights, to_pixels
from sonic_core.face.nets import CoverNet
from sonic_core.threads import one_thread

INPUT = 64
EYES = 0.40  # distance between the outer corners of the eyes, as a share of the crop
# Thresholds on the logits. Of 87 held-out people with nothing over their faces, none reaches 0 and -4.8; the six
# of them who wear glasses reach 1.5, and none of the others reaches 0.8.
HIDDEN, DARK, WORN = 1.0, 1.5, 1.0
SMALLEST = 48  # px of a face's height in the photo; of smaller faces, plain ones look covered, too
SMALLEST_REDUCED = 28  # px of a face's height in a picture reduced from a larger one, which is less noisy


@dataclass(frozen=True)
class Covers:
    """Which parts of a face cannot be seen, and whether it wears glasses, dark or clear."""

    mouth: bool
    eyes: bool
    glasses: bool = False


def find_covers(image: np.ndarray, landmarks: np.ndarray) -> Covers:
    """What hides parts of the face with (478, 3) landmarks in image (h, w, 3) uint8."""
    return covers_of(upright_crop(image, landmarks))


def upright_crop(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """uint8 (INPUT, INPUT, 3): what the net looks at of the face with (478, 3) landmarks in image (h, w, 3) uint8."""
    return align.cut(image, aim_at(landmarks), INPUT)


@one_thread()
def covers_of(crop: np.ndarray) -> Covers:
    """What hides parts of the face in its `upright_crop`."""
    with torch.inference_mode():
        mouth, eyes, glasses = _net()(to_pixels(crop[None]))[0].tolist()
    return Covers(mouth > HIDDEN, eyes > DARK, glasses > WORN)


@lru_cache(maxsize=1)
def _net() -> torch.nn.Module:
    return load_weights(CoverNet(), load_file(WEIGHTS / "covers.safetensors"))


def aim_at(landmarks: np.ndarray) -> np.ndarray:
    """The (2, 3) similarity from the picture to the crop: upright by the eyes, from the brows to below the chin."""
    right, left = (
        np.asarray(landmarks[list(eye), :2], np.float64).mean(0) for eye in (points.RIGHT_EYE, points.LEFT_EYE)
    )
    target = np.array([[0.5 - EYES / 2, 0.32], [0.5 + EYES / 2, 0.32]]) * INPUT - 0.5
    return align.fit(np.stack([right, left]), target)
