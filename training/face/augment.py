"""Random light, focus, compression and covers: they change a face's pixels but not its landmarks.

Pictures are uint8 RGB (h, w, 3) of any size; each function draws from the generator it is given.
"""

from __future__ import annotations

import cv2
import numpy as np
from skimage import data as samples

SAMPLES = (
    "brick",
    "chelsea",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "moon",
    "page",
    "retina",
    "rocket",
    "text",
)


def backgrounds() -> list[np.ndarray]:
    """Pictures without a human face that ship with scikit-image, 256 px or more a side."""
    pictures = []
    for name in SAMPLES:
        picture = getattr(samples, name)()
        picture = np.repeat(picture[..., None], 3, -1) if picture.ndim == 2 else picture[..., :3]
        factor = max(300 / min(picture.shape[:2]), min(1.0, 512 / min(picture.shape[:2])))
        pictures.append(
            cv2.resize(np.ascontiguousarray(picture), None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        )
    return pictures


def synthetic_texture(size: int, rng: np.random.Generator) -> np.ndarray:
    """Blobs, stripes or a gradient in random colours, (size, size, 3) uint8."""
    kind = rng.integers(3)
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    if kind == 0:
        cells = int(rng.integers(2, 40))
        field = cv2.resize(
            rng.random((cells, cells, 3), np.float32),
            (size, size),
            interpolation=int(rng.choice([cv2.INTER_NEAREST, cv2.INTER_CUBIC])),
        )
    else:
        angle = rng.uniform(0, np.pi)
        wave = x * np.cos(angle) + y * np.sin(angle)
        wave = np.sin(wave * rng.uniform(4, 120)) * 0.5 + 0.5 if kind == 1 else wave
        field = wave[..., None] * rng.random(3, np.float32) + (1 - wave[..., None]) * rng.random(3, np.float32)
    return (np.clip(field, 0, 1) * 255).astype(np.uint8)


def background(pictures: list[np.ndarray], size: int, rng: np.random.Generator) -> np.ndarray:
    """A random piece of a random picture or texture, (size, size, 3) uint8."""
    if rng.random() < 0.35:
        return synthetic_texture(size, rng)
    picture = pictures[rng.integers(len(pictures))]
    side = int(rng.uniform(0.25, 1.0) * min(picture.shape[:2]))
    y, x = (int(rng.integers(0, n - side + 1)) for n in picture.shape[:2])
    piece = cv2.resize(picture[y : y + side, x : x + side], (size, size), interpolation=cv2.INTER_AREA)
    piece = piece[:, ::-1] if rng.random() < 0.5 else piece
    return np.ascontiguousarray(np.rot90(piece, rng.integers(4)) if rng.random() < 0.3 else piece)


def draw_like(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A photo as a pencil or paint drawing."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    blurred = cv2.GaussianBlur(255 - grey, (0, 0), rng.uniform(1.5, 5))
    pencil = cv2.divide(grey, cv2.max(255 - blurred, 1), scale=256)[..., None]
    if rng.random() < 0.5:
        return np.repeat(pencil, 3, -1)
    levels = int(rng.integers(3, 8))
    flat = cv2.medianBlur(image, 5).astype(np.float32)
    flat = np.round(flat / 255 * levels) / levels * 255
    return np.clip(flat * (0.4 + 0.6 * pencil.astype(np.float32) / 255), 0, 255).astype(np.uint8)


def occlude(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An ellipse in front of the picture, of one colour or textured."""
    size = image.shape[0]
    mask = np.zeros(image.shape[:2], np.uint8)
    centre = tuple(int(v) for v in rng.uniform(0, size, 2))
    axes = tuple(int(v) for v in rng.uniform(0.04, 0.22, 2) * size)
    cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 255, -1, cv2.LINE_AA)
    cover = synthetic_texture(size, rng) if rng.random() < 0.4 else np.full_like(image, rng.integers(0, 255, 3))
    alpha = mask[..., None] // 255
    return image * (1 - alpha) + cover * alpha


def photograph(image: np.ndarray, rng: np.random.Generator, coarsest: float = 0.22) -> np.ndarray:
    """The image in random light, colour, focus, noise and compression.

    Some pictures lose resolution, down to the share `coarsest` of it.
    """
    size = image.shape[0]
    picked = rng.random(9) < np.array([0.9, 0.3, 0.1, 0.3, 0.35, 0.25, 0.35, 0.35, 0.06])
    light, side_light, grey, shadow, blur, small, noise, jpeg, drawing = picked
    if drawing:
        image = draw_like(image, rng)
    if small:
        side = int(size * rng.uniform(coarsest, 0.9))
        image = cv2.resize(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), (size, size))
    if blur:
        sigma = rng.uniform(0.3, 0.3 + 0.3 / coarsest)
        image = cv2.GaussianBlur(image, (0, 0), sigma, sigmaY=sigma * rng.uniform(0.5, 1.0))
    x = image.astype(np.float32) * (1 / 255)
    if light:
        gain, gamma = rng.uniform(0.65, 1.35), np.exp(rng.normal(0, 0.3))
        tint = np.exp(rng.normal(0, 0.08, 3)).astype(np.float32)
        table = (np.arange(256) / 255.0) ** gamma
        x = table.astype(np.float32)[image] * (gain * tint).astype(np.float32) + rng.normal(0, 0.05)
    if side_light or shadow:
        angle = rng.uniform(0, 2 * np.pi)
        ramp = np.linspace(-1, 1, size, dtype=np.float32)
        field = np.cos(angle) * ramp[None] + np.sin(angle) * ramp[:, None] + rng.normal(0, 0.4)
        if shadow:
            field = np.tanh(field * rng.uniform(2, 30))
        x = x * (1 + rng.uniform(0.15, 0.6) * field[..., None])
    if grey:
        x = np.repeat(x.mean(-1, keepdims=True), 3, -1)
    if noise:
        x = x + rng.standard_normal(x.shape, np.float32) * rng.uniform(0.005, 0.06)
    image = (np.clip(x, 0, 1) * 255).astype(np.uint8)
    if jpeg:
        quality = int(rng.uniform(15, 90))
        image = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    return image
