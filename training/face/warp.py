"""New expressions and poses from one photo, whose landmarks are moved and whose pixels are warped with them.

The mouth opens and shuts with the real lip motion of GRID and is painted inside where the photo shows nothing; the lids
close, and the head turns a little. The moved landmarks are the labels of the warped picture. Knows nothing of crops and
nets.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.interpolate import LinearNDInterpolator

from sonic_core.face import points as P

SIZE = 256
MOUTH_REACH = np.array([*P.OUTER_LIPS, *P.INNER_LIPS])


@dataclass
class LipMotion:
    """Displacements of real speech in the canonical frame, relative to the speaker's closed mouth."""

    offsets: np.ndarray  # (n, 478, 3)
    mean: np.ndarray  # (478, 3)


def load_lip_motion(folder: Path, rng: np.random.Generator, count: int = 4000) -> LipMotion:
    table = np.load(folder / "motion.npz")
    mean, basis = table["mean"].astype(np.float32), table["basis"].astype(np.float32)
    rows = table["coefficients"][: -60 * 75].astype(np.float32)  # the held-out clips are the last
    rows = rows[rng.choice(len(rows), 4 * count, replace=False)]
    shapes = mean + np.einsum("nk,kpc->npc", rows, basis)
    gap = np.linalg.norm(shapes[:, 13] - shapes[:, 14], axis=-1)
    closed = shapes[gap < np.percentile(gap, 10)].mean(0)
    # as many wide openings as narrow ones
    chosen = np.argsort(gap)[np.sort(rng.choice(len(gap), count, p=(w := gap + 0.02) / w.sum(), replace=False))]
    return LipMotion((shapes - closed)[chosen], mean)


def align(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Similarity (3, 4) that takes source points (n, 3) nearest to target (n, 3)."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    fix = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    matrix = u @ fix @ vt * (s * np.diag(fix)).sum() / (a**2).sum()
    return np.concatenate([matrix, (target.mean(0) - matrix @ source.mean(0))[:, None]], 1)


def move_mouth(points: np.ndarray, motion: LipMotion, rng: np.random.Generator, gain: float) -> np.ndarray:
    """Shut the mouth, then add a real displacement of speech times `gain`."""
    moved = points.copy()
    for upper, lower in P.LIP_PAIRS:
        gap = moved[lower] - moved[upper]
        moved[upper] += 0.35 * gap
        moved[lower] -= 0.65 * gap
    closing = moved - points
    # the skin below the lips follows them, less and less
    for index in set(range(468)) - set(MOUTH_REACH):
        distance = np.linalg.norm(points[MOUTH_REACH, :2] - points[index, :2], axis=1)
        near = distance.argmin()
        moved[index] += closing[MOUTH_REACH[near]] * np.exp(-((distance[near] / 12.0) ** 2))
    pose = align(motion.mean[list(P.RIGID)], points[list(P.RIGID)])
    offset = motion.offsets[rng.integers(len(motion.offsets))] @ pose[:, :3].T
    offset[list(P.RIGHT_EYE + P.LEFT_EYE + P.RIGHT_IRIS + P.LEFT_IRIS)] = 0
    return moved + gain * offset


def close_lids(points: np.ndarray, amount: float) -> np.ndarray:
    """Lower the upper lids by `amount` (1: they meet the lower ones)."""
    moved = points.copy()
    for upper, lower in P.RIGHT_LID_PAIRS + P.LEFT_LID_PAIRS:
        gap = points[lower] - points[upper]
        moved[upper] += gap * amount * 0.9
        moved[lower] -= gap * amount * 0.1
    return moved


def held_apart(points: np.ndarray, gap: float = 0.35) -> np.ndarray:
    """Landmarks (k, 2) in px with at least `gap` between upper and lower lips and lids, given (k, 2+).

    Where they coincide, the triangulation would join the skin above to the lower lid, and the eye would show through.
    """
    down = points[P.CHIN, :2] - points[P.FOREHEAD, :2]
    down = down / np.linalg.norm(down)
    spread = points[:, :2].copy()
    for upper, lower in P.LIP_PAIRS + P.RIGHT_LID_PAIRS + P.LEFT_LID_PAIRS:
        missing = gap - (spread[lower] - spread[upper]) @ down
        if missing > 0:
            spread[upper] -= missing / 2 * down
            spread[lower] += missing / 2 * down
    return spread


def blink(image: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Move the lids from source to target (478, 2+) over eyeballs that stay and are seen only between the lids."""
    skin = warp(image, source[:468], target[:468])
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for eye in (P.RIGHT_EYE, P.LEFT_EYE):
        cv2.fillPoly(mask, [np.round(target[list(eye), :2] * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    opened = mask[..., None].astype(np.float32) / 255
    return (skin * (1 - opened) + image * opened).astype(np.uint8)


def turn(points: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
    """Turn the head by angles in degrees about a point behind the face."""
    centre = points[list(P.FACE_OVAL)].mean(0)
    y, p = np.radians([yaw, pitch])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    return ((points - centre) @ (about_y @ about_x).T + centre).astype(np.float32)


def warp(image: np.ndarray, source: np.ndarray, target: np.ndarray, step: int = 2) -> np.ndarray:
    """Move the pixels of image (256, 256, 3) so that the landmarks go from source to target (k, 2+)."""
    centre, reach = source[:, :2].mean(0), np.ptp(source[:, 1]) * 1.05
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = centre + reach * np.stack([np.cos(angles), np.sin(angles)], 1)
    edge = np.array([[x, y] for x in (-64, SIZE + 64) for y in (-64, SIZE + 64)])
    fixed = np.concatenate([ring, edge])
    grid = np.stack(np.meshgrid(*[np.arange(0, SIZE + step, step)] * 2), -1)
    target = held_apart(target)
    jitter = np.random.default_rng(0).normal(0, 1e-3, (len(target), 2))  # triangulation fails for points in a row
    inverse = LinearNDInterpolator(
        np.concatenate([target[:, :2] + jitter, fixed]), np.concatenate([source[:, :2], fixed])
    )
    lookup = inverse(grid).astype(np.float32)
    lookup = np.where(np.isfinite(lookup), lookup, grid).astype(np.float32)
    scale = np.array([[step, 0, 0], [0, step, 0]], np.float32)
    dense = cv2.warpAffine(lookup, scale, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.remap(image, dense[..., 0], dense[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def paint_mouth(image: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paint darkness, often upper teeth and sometimes a tongue between the inner lips, in the light of the skin."""
    shift, scale = 4, 16  # sub-pixel polygons
    inner = points[list(P.INNER_LIPS), :2]
    skin = image[np.clip(points[[205, 425], 1].astype(int), 0, 255), np.clip(points[[205, 425], 0].astype(int), 0, 255)]
    light = float(skin.mean()) / 160
    layer = image.copy()

    def fill(polygon: np.ndarray, colour: np.ndarray) -> None:
        shade = tuple(int(c) for c in np.clip(colour, 0, 255))
        cv2.fillPoly(layer, [np.round(polygon * scale).astype(np.int32)], shade, cv2.LINE_AA, shift)

    fill(inner, np.array([60, 25, 25]) * rng.uniform(0.2, 1.2) * light)
    height = float(np.linalg.norm(points[13, :2] - points[14, :2]))
    down = (points[14, :2] - points[13, :2]) / max(height, 1e-3)
    upper = points[[78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308], :2]
    middle = points[[78, 308], :2].mean(0)
    if rng.random() < 0.5:
        tongue = (inner - middle) * 0.7 + middle + down * height * rng.uniform(0.3, 0.5)
        fill(tongue, np.array([170, 80, 80]) * rng.uniform(0.4, 1.0) * light)
    if rng.random() < 0.75:
        depth = rng.uniform(2, 9)
        row = (upper - middle) * np.array([rng.uniform(0.75, 1.0), 1.0]) + middle
        bulge = np.sin(np.linspace(0, np.pi, len(row)))[:, None]
        fill(
            np.concatenate([row - down, (row + down * depth * bulge)[::-1]]),
            np.array([235, 225, 210]) * light * rng.uniform(0.6, 1),
        )
    if rng.random() < 0.25:
        lower = points[[78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308], :2]
        fill(
            np.concatenate([lower + down, (lower - down * rng.uniform(1, 4))[::-1]]),
            np.array([220, 210, 195]) * light * rng.uniform(0.5, 1),
        )
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillPoly(mask, [np.round(inner * scale).astype(np.int32)], 255, cv2.LINE_AA, shift)
    soft = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.4, 1.0)).astype(np.float32)[..., None] / 255
    layer = cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.4, 1.2))
    return (image * (1 - soft) + layer * soft).astype(np.uint8)


def variant(
    image: np.ndarray, points: np.ndarray, motion: LipMotion, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One random new expression and pose of a face: image (256, 256, 3) uint8 and its landmarks (478, 3)."""
    target = points
    opened = False
    if rng.random() < 0.75:
        gain = rng.choice([0.0, rng.uniform(0.5, 2.2)], p=[0.2, 0.8])
        target = move_mouth(target, motion, rng, gain)
        source_gap = np.linalg.norm(points[13, :2] - points[14, :2])
        target_gap = np.linalg.norm(target[13, :2] - target[14, :2])
        opened = bool(target_gap > 1.5 and (source_gap < 3 or target_gap > 2 * source_gap or rng.random() < 0.4))
    if rng.random() < 0.7:
        target = turn(target, float(np.clip(rng.normal(0, 7), -14, 14)), float(np.clip(rng.normal(0, 5), -10, 10)))
    target = target.astype(np.float32)
    picture = warp(image, points, target)
    if opened:
        picture = paint_mouth(picture, target, rng)
    if rng.random() < 0.45:
        shut = close_lids(target, rng.choice([1.0, rng.uniform(0.1, 1.0)], p=[0.4, 0.6]))
        picture, target = blink(picture, target, shut), shut
    return picture, target
