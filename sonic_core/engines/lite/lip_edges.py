"""Looks at the mouth alone, close up, and says where the edges of the lips are.

The landmarks of a whole face are a few pixels off around the mouth, which is nothing for finding a face and too much
for opening its lips: a row of teeth would stick to one of them. This is a supervised descent (Xiong and De la Torre
2013): what the picture looks like round every point, times a matrix, says where the points should go; a few times
over, each with its own matrix. `training/renderer/lips.py` made the matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from safetensors.numpy import load_file

from sonic_core.engines.lite.landmarks import LOWER_LIP, UPPER_LIP
from sonic_core.engines.lite.warp import look_up

WEIGHTS = Path(__file__).parent / "weights" / "lips.safetensors"
HEIGHT, WIDTH = 48, 80  # of the close-up
MOUTH_WIDTH = 44  # its pixels from corner to corner
# The outer and the inner edge, each upper then lower lip without its shared corners: (40,) landmarks.
EDGES = np.concatenate([UPPER_LIP[0], LOWER_LIP[0, 1:-1], UPPER_LIP[3], LOWER_LIP[3, 1:-1]])
DIRECTIONS = 6  # of brightness gradients that are told apart
AROUND = np.array([(x, y) for y in (-3.5, 0, 3.5) for x in (-3.5, 0, 3.5)])  # where each point is looked at, px


@dataclass(frozen=True)
class LipEdges:
    """The matrices of all steps: (steps, features + 1, 80)."""

    steps: np.ndarray

    @staticmethod
    def load(path: Path = WEIGHTS) -> LipEdges:
        return LipEdges(load_file(path)["steps"].astype(np.float32))

    def refine(self, photo: np.ndarray, points: np.ndarray) -> np.ndarray:
        """(478, 2) landmarks of a photo, uint8 RGB, with all four rings of the lips where they look to be."""
        edges = points[EDGES].astype(np.float64)
        for matrix in self.steps:
            edges = step(matrix, photo, edges)
        refined = points.astype(np.float32).copy()
        refined[EDGES] = edges
        for rings in (UPPER_LIP, LOWER_LIP):
            for ring, inwards in ((1, 1 / 3), (2, 2 / 3)):
                refined[rings[ring]] = refined[rings[0]] * (1 - inwards) + refined[rings[3]] * inwards
        return refined


def step(matrix: np.ndarray, photo: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """One step of (40, 2) edge points towards the lips."""
    transform = close_up_transform(edges)
    move = describe(photo, transform, edges) @ matrix
    return edges + move.reshape(-1, 2) @ np.linalg.inv(transform[:, :2]).T


def close_up_transform(edges: np.ndarray) -> np.ndarray:
    """(2, 3) affine from the picture to the close-up: corners level, mouth in the middle."""
    across = edges[10] - edges[0]
    across = across * (MOUTH_WIDTH / max(float(across @ across), 1e-6))
    turn = np.array([[across[0], across[1]], [-across[1], across[0]]])
    offset = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2]) - turn @ edges.mean(0)
    return np.concatenate([turn, offset[:, None]], 1)


def close_up(photo: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """(HEIGHT, WIDTH, 3) float32 of the photo, shrunk without aliasing."""
    scale = float(np.hypot(*transform[0, :2]))
    if scale < 0.7:
        photo, transform = _shrunk(photo, transform, scale)
    crop = cv2.warpAffine(photo, transform, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return crop.astype(np.float32)


def describe(photo: np.ndarray, transform: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(features + 1,) float32: gradients by direction, brightness and redness round every point, and a 1."""
    crop = close_up(photo, transform)
    grey = crop @ np.array([0.3, 0.59, 0.11], np.float32)
    grey = (grey - grey.mean()) / (grey.std() + 4)
    red = crop[..., 0] / (crop.sum(-1) + 30)
    red = (red - red.mean()) / (red.std() + 0.01)
    dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.25), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.25)
    angles = np.arange(DIRECTIONS, dtype=np.float32) * (2 * np.pi / DIRECTIONS)
    directed = np.maximum(dx[..., None] * np.cos(angles) + dy[..., None] * np.sin(angles), 0)
    channels = np.concatenate([np.sqrt(directed), 0.5 * grey[..., None], 0.5 * red[..., None]], -1)
    parts = cv2.GaussianBlur(channels[..., :4], (0, 0), 1.2), cv2.GaussianBlur(channels[..., 4:], (0, 0), 1.2)
    at = (edges @ transform[:, :2].T + transform[:, 2])[:, None] + AROUND
    seen = [look_up(part, at.astype(np.float32)) for part in parts]
    return np.append(np.concatenate(seen, -1).ravel(), np.float32(1)).astype(np.float32)


def _shrunk(photo: np.ndarray, transform: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """The part of the photo round the close-up, reduced by area, and the transform that goes with it."""
    inverse = cv2.invertAffineTransform(transform)
    corners = np.array([[0, 0, 1], [WIDTH, 0, 1], [0, HEIGHT, 1], [WIDTH, HEIGHT, 1]]) @ inverse.T
    limit = np.array([photo.shape[1], photo.shape[0]])
    low = np.clip(np.floor(corners.min(0)) - 2, 0, limit - 1).astype(int)
    high = np.clip(np.ceil(corners.max(0)) + 2, low + 1, limit).astype(int)
    part = photo[low[1] : high[1], low[0] : high[0]]
    size = np.maximum(np.round((high - low) * scale), 1).astype(int)
    x, y = size / (high - low)
    reduced = cv2.resize(part, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    # A pixel's middle p goes to (p - low + 0.5) * factor - 0.5.
    back = np.array([[1 / x, 0, 0.5 / x - 0.5 + low[0]], [0, 1 / y, 0.5 / y - 0.5 + low[1]], [0, 0, 1]])
    return reduced, (np.vstack([transform, [0, 0, 1]]) @ back)[:2]
