"""Mouths in other colours: darker skin, lips that hardly differ from it, flesh that is lighter than the lips.

The photos show few dark-skinned people, and open mouths of fewer still. A net that learns from them alone takes flesh
behind dark lips for the lips themselves, and reads dark mouths as less open than they are.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from sonic_core.face import points
from training.face import data

DARK = 0  # degrees of the individual typology angle; darker skin lies below
CHEEKS = (205, 425)
FINE = 4  # masks are drawn this much larger
OUTER = slice(0, len(points.OUTER_LIPS))
INNER = slice(len(points.OUTER_LIPS), None)
TOP, BOTTOM = points.INNER_LIPS.index(13), points.INNER_LIPS.index(14)
LEFT_CORNER = 10  # place of the left corner in either ring; both run from the right corner below to it, and back above


def is_dark(image: np.ndarray, landmarks: np.ndarray) -> bool:
    """Whether the cheeks of a face, uint8 RGB (h, w, 3) with landmarks (478, 2+), are of dark skin.

    By the individual typology angle of Chardon et al. (1991): lightness over yellowness.
    """
    cheeks = [image[y - 4 : y + 5, x - 4 : x + 5] for x, y in landmarks[list(CHEEKS), :2].astype(int)]
    pixels = np.concatenate([cheek.reshape(-1, 3) for cheek in cheeks])
    if not len(pixels):
        return False
    lightness, _, yellow = np.median(cv2.cvtColor(pixels[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0], axis=0)
    return bool(np.degrees(np.arctan2(lightness - 50, yellow)) < DARK)


def evened(faces: data.Faces, times: float = 4) -> data.Faces:
    """The same faces, with dark-skinned people drawn `times` as often."""
    dark = np.array([is_dark(image, marks) for image, marks in zip(faces.images, faces.landmarks, strict=True)])
    return replace(faces, weight=faces.weight * np.where(dark, np.float32(times), np.float32(1)))


def recolour(crop: np.ndarray, marks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A close crop of a mouth, square uint8 RGB, with lip points (40, 2) in crop units, in other colours.

    Each lip takes on some of the skin's colour by itself, then lips and skin are darkened together. Teeth stay light.
    """
    size = len(crop)
    inner = marks[INNER]
    down = inner[BOTTOM] - inner[TOP]
    opening = float(np.linalg.norm(down)) * size / 2  # px
    within = _mask(inner, size)
    inside = within * np.clip((opening - 1.5) / 2, 0, 1)  # the line between shut lips is no inside
    picture = crop.astype(np.float32) / 255
    skin = _mean(picture, 1 - _mask(marks[OUTER], size))

    made, soft = picture, rng.uniform(0.3, 1.2)
    goal = skin * rng.uniform(0.55, 1.0) * np.exp(rng.normal(0, 0.05, 3))
    for lip in _lips(marks):
        mask = _mask(lip, size, soft) * (1 - inside)
        if mask.sum() < 2:
            continue
        mean = _mean(picture, mask)
        tone = mean + (goal * np.exp(rng.normal(0, 0.08)) - mean) * rng.uniform(0.2, 1.0)
        made = made * (1 - mask) + mask * np.clip(made * tone / np.maximum(mean, 0.02), 0, 1.2)

    level = np.exp(rng.uniform(np.log(0.12), np.log(0.6)))  # of the skin, as it will be
    dark = np.clip(level / max(skin.mean(), 0.02), 0.25, 1.1) * np.exp(rng.normal(0, 0.07, 3))
    dark = dark ** np.array([0.85, 1, 1.1])  # darker skin is redder
    made = made * (1 - (1 - dark) * (1 - inside * rng.uniform(0.3, 1.0)))
    if opening > 2.5 and rng.random() < 0.6:
        made = _with_flesh(made, inner, float((skin * dark).mean()), rng)
    return (np.clip(made, 0, 1) * 255).astype(np.uint8)


def _with_flesh(picture: np.ndarray, inner: np.ndarray, skin: float, rng: np.random.Generator) -> np.ndarray:
    """The lower part of an open mouth in the colour of flesh, often lighter than dark lips; `skin` is its lightness."""
    size = len(picture)
    red = rng.uniform(0.12, 0.6) * rng.choice([1, max(0.3, 2 * skin)])
    flesh = red * np.array([1, rng.uniform(0.4, 0.85), rng.uniform(0.4, 0.85)])
    down = inner[BOTTOM] - inner[TOP]
    edge = (inner[TOP] + inner[BOTTOM]) / 2 + down * rng.uniform(-0.4, 0.3)
    centres = (np.arange(size) + 0.5) * 2 / size - 1
    below = (np.stack(np.meshgrid(centres, centres), -1) - edge) @ (down / np.linalg.norm(down)) * size / 2
    share = np.clip(below / rng.uniform(0.5, 3) + 0.5, 0, 1)[..., None] * rng.uniform(0.5, 1)
    mask = _mask(inner, size, rng.uniform(0.2, 0.8)) * share
    return picture * (1 - mask) + flesh * mask


def _lips(marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outlines of the upper and of the lower lip."""
    outer, inner = marks[OUTER], marks[INNER]
    upper = np.concatenate([outer[LEFT_CORNER:], outer[:1], inner[:1], inner[: LEFT_CORNER - 1 : -1]])
    return upper, np.concatenate([outer[: LEFT_CORNER + 1], inner[LEFT_CORNER::-1]])


def _mask(outline: np.ndarray, size: int, soft: float = 0) -> np.ndarray:
    """(size, size, 1) share of each pixel within an outline in crop units, blurred by `soft` px."""
    drawn = np.zeros((size * FINE, size * FINE), np.uint8)
    cv2.fillPoly(drawn, [np.round((outline + 1) * size * FINE / 2 - 0.5).astype(np.int32)], 255)
    mask = cv2.resize(drawn, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return (cv2.GaussianBlur(mask, (0, 0), soft) if soft > 0.3 else mask)[..., None]


def _mean(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The mean colour (3,) where a mask lies."""
    return (picture * mask).sum((0, 1)) / max(float(mask.sum()), 1e-3)
