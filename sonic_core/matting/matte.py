"""How much of each pixel of a photo is the person.

A small network says roughly where the person is. What it is not sure of, and a rim around its outline, is then worked
out from the colours of the photo itself, so that single hairs show.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file

from sonic_core.matting.net import INPUT, SelfieNet
from sonic_core.threads import one_thread

WEIGHTS = Path(__file__).parent / "weights"
SURE = 0.95  # the network is believed above this, and below one minus this
RIM = 0.012  # width of the rim that is worked out on either side of what it is sure of, as a share of the short side
SOLVED_SIDE = 768  # short side at which alpha is worked out; larger photos get it enlarged along their own edges
TRUST = 0.03  # weight of the network's opinion against the colours
GUIDE, EPSILON = 5, 1e-4  # window in which alpha is a linear function of colour, and the noise it may have
NOTHING, ALL = 0.06, 0.94  # alpha beyond these is rounded: a veil too thin to be hair, and its counterpart


def matte(image: np.ndarray) -> np.ndarray:
    """Alpha (h, w) float32 in [0, 1] of a photo, uint8 (h, w, 3)."""
    from sonic_core.matting.closed_form import solve_alpha  # scipy takes long to import, and most backgrounds stay

    height, width = image.shape[:2]
    scale = min(1.0, SOLVED_SIDE / min(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = resized(image, size)
    guess = cv2.resize(person(resized(image, (INPUT, INPUT))), size, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    unknown = unsure(guess)
    alpha = solve_alpha(small, guess, unknown, np.full_like(guess, TRUST))
    if size != (width, height):
        band = cv2.resize(unknown.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
        alpha = np.where(band, enlarged(image, small, alpha), cv2.resize(alpha, (width, height)))
    return rounded(alpha)


@one_thread()
def person(small: np.ndarray, folder: Path = WEIGHTS) -> np.ndarray:
    """How sure the network is that a pixel is a person's, in a picture at its size: float32 (256, 256, 3) in [0, 1]
    -> float32 (256, 256) in [0, 1].
    """
    pixels = torch.from_numpy(small).permute(2, 0, 1)[None]
    with torch.inference_mode():
        return np.asarray(_net(folder)(pixels)[0, 0].numpy())


def unsure(guess: np.ndarray) -> np.ndarray:
    """(h, w) bool: what the network is not sure of, and a rim around it."""
    rim = max(1, round(RIM * min(guess.shape)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1))
    inside = cv2.erode((guess > SURE).astype(np.uint8), kernel)
    outside = cv2.erode((guess < 1 - SURE).astype(np.uint8), kernel)
    return np.asarray((inside == 0) & (outside == 0))


def enlarged(image: np.ndarray, small: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Alpha of a smaller copy, float32 (h, w, 3) and (h, w), at the size of the picture, uint8 (H, W, 3).

    A guided filter: around each pixel of the copy alpha is a linear function of brightness, which is then applied to
    the picture's own.
    """
    size = image.shape[1::-1]

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (GUIDE, GUIDE))

    grey, guide = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    means, alphas = mean(grey), mean(alpha)
    slope = (mean(grey * alpha) - means * alphas) / (mean(grey * grey) - means * means + EPSILON)
    offset = mean(alphas - slope * means)
    slope, offset = (cv2.resize(values, size, interpolation=cv2.INTER_LINEAR) for values in (mean(slope), offset))
    return (slope * (guide.astype(np.float32) / 255) + offset).clip(0, 1)


def rounded(alpha: np.ndarray) -> np.ndarray:
    """Alpha without thin veils in the background and thin spots in the person."""
    return ((alpha - NOTHING) / (ALL - NOTHING)).clip(0, 1)


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A uint8 picture (h, w, 3) as float32 in [0, 1] at `size` (width, height)."""
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255


@lru_cache(maxsize=1)
def _net(folder: Path) -> torch.nn.Module:
    net = SelfieNet()
    net.load_state_dict({name: value.float() for name, value in load_file(folder / "person.safetensors").items()})
    return net.eval()
