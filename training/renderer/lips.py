"""Fit the matrices that find the edges of the lips in a close-up of the mouth.

    python -m training.renderer.lips --data ../shared/data [--starts 4] [--out sonic_core/engines/lite/weights]

Every face starts from several wrong edges: its own blended with another face's, turned, scaled and shifted, as a
landmark network errs. Each step is a ridge regression from what is seen at the edges to the way they must move. Every
tenth face of the photo collections is held out; of GRID's one speaker only every fifth frame is used.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from sonic_core.engines.lite.lip_edges import EDGES, WEIGHTS, close_up_transform, describe, step
from training.learning import save_weights

STEPS = 3
RIDGE = 0.05  # of the features' mean variance


def load_mouths(data: Path) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Photos cut down to the mouth, their (n, 40, 2) lip edges and which of them are held out."""
    table = np.load(data / "faces" / "landmarks.npz")
    names = [str(name) for name in table["names"]]
    photos = [i for i, name in enumerate(names) if not name.startswith("grid")]
    frames = [i for i, name in enumerate(names) if name.startswith("grid")][::5]
    chosen = photos + frames
    images, edges = [], table["landmarks"][chosen][:, EDGES, :2].astype(np.float64)
    for i, mouth in zip(chosen, edges, strict=True):
        image = cv2.imread(str(data / "faces" / names[i]))[:, :, ::-1]
        room = np.linalg.norm(mouth[10] - mouth[0])  # the mouth and as much again on each side
        low = np.clip(np.floor(mouth.min(0) - room), 0, 255).astype(int)
        high = np.ceil(mouth.max(0) + room).astype(int)
        images.append(np.ascontiguousarray(image[low[1] : high[1], low[0] : high[0]]))
        mouth -= low
    held_out = np.zeros(len(chosen), bool)
    held_out[: len(photos) : 10] = True
    return images, edges, held_out


def wrong_start(edges: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(40, 2) edges misplaced as a network would misplace them, partly towards another face's."""
    to, back = close_up_transform(edges), close_up_transform(other)
    flat = edges @ to[:, :2].T + to[:, 2]
    flat += rng.uniform(0, 0.8) * (other @ back[:, :2].T + back[:, 2] - flat)
    turn, scale = rng.normal(0, 0.06), np.exp(rng.normal(0, 0.07))
    rotate = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = flat.mean(0)
    flat = (flat - middle) @ rotate.T + middle + rng.normal(0, 2.0, 2) + rng.normal(0, 0.4, flat.shape)
    return (flat - to[:, 2]) @ np.linalg.inv(to[:, :2]).T


def relit(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    table = 255 * (np.arange(256) / 255) ** np.exp(rng.normal(0, 0.25))
    image = table[image] * np.exp(rng.normal(0, 0.08, 3))
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.0))
    image = image + rng.standard_normal(image.shape, np.float32) * rng.uniform(0, 5)
    return np.clip(image, 0, 255).astype(np.uint8)


def error(edges: np.ndarray, true: np.ndarray) -> str:
    width = np.linalg.norm(true[:, 10] - true[:, 0], axis=-1)
    points = np.linalg.norm(edges - true, axis=-1).mean(1) / width
    opening = np.abs((edges[:, 35] - edges[:, 25])[:, 1] - (true[:, 35] - true[:, 25])[:, 1]) / width
    most = np.quantile(points, 0.9)
    return f"points {points.mean():.2%}, 90th percentile {most:.2%}, opening {opening.mean():.2%} of mouth width"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--starts", type=int, default=4)
    parser.add_argument("--out", type=Path, default=WEIGHTS.parent)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    images, edges, held_out = load_mouths(args.data)
    training = np.flatnonzero(~held_out)
    samples, true, now = [], [], []
    for i in np.concatenate([np.repeat(training, args.starts), np.flatnonzero(held_out)]):
        image, mine, other = images[i], edges[i], edges[rng.integers(len(edges))]
        if not held_out[i]:
            image = relit(image, rng)
            if rng.random() < 0.5:
                image, mine = np.ascontiguousarray(image[:, ::-1]), mirrored(mine, image.shape[1])
        samples.append(image)
        true.append(mine)
        now.append(wrong_start(mine, other, rng))
    true, now = np.array(true), np.array(now)
    split = len(training) * args.starts
    print(f"{split} starts, {len(true) - split} held out: {error(now[split:], true[split:])}", flush=True)
    matrices = []
    for k in range(STEPS):
        transforms = np.array([close_up_transform(e) for e in now])
        seen = np.stack([describe(*sample) for sample in zip(samples, transforms, now, strict=True)])
        home = np.einsum("npc,ndc->npd", true - now, transforms[:, :, :2]).reshape(len(now), -1).astype(np.float32)
        x, y = seen[:split], home[:split]
        penalty = np.full(x.shape[1], RIDGE * len(x) * float(x.var(0).mean()), np.float32)
        penalty[-1] = 0
        matrix = np.linalg.solve(x.T @ x + np.diag(penalty), x.T @ y).astype(np.float16)
        matrices.append(matrix)
        now = np.array([step(matrix.astype(np.float32), s, e) for s, e in zip(samples, now, strict=True)])
        print(
            f"step {k + 1}: training {error(now[:split], true[:split])}; held out {error(now[split:], true[split:])}",
            flush=True,
        )
    steps = torch.from_numpy(np.stack(matrices))
    save_weights({"steps": steps}, args.out / WEIGHTS.name, {"source": "see docs/model-card-lite.md"})


def mirrored(edges: np.ndarray, width: int) -> np.ndarray:
    """(40, 2) edges of the flipped picture, left to right again."""
    order = np.concatenate([np.r_[10:-1:-1, 19:10:-1] + start for start in (0, 20)])
    return edges[order] * [-1, 1] + [width - 1, 0]


if __name__ == "__main__":
    main()
