"""Teach the net of `sonic_core/engines/lite/mouth_tone.py` the tones of real mouths.

    python -m training.renderer.mouth_tone --data ../shared/data [--out sonic_core/engines/lite/weights] [--steps 4000]

It learns from the open mouths of the faces folder: smiles of some hundred people, and a man who speaks (GRID). Every
opening is stretched onto the net's rectangle. Light and colour are varied in features and mouth alike, and every mouth
is used mirrored, too. The loss is the quantile loss of each of the net's levels. One tenth of the people is held out;
printed are how far the usual tone is off on them, and the share of their pixels below each level.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from sonic_core.engines.lite import mouth_tone
from sonic_core.engines.lite.expression import dense_contour
from sonic_core.engines.lite.landmarks import LOWER_INNER, UPPER_INNER
from sonic_core.engines.lite.layout import MouthBasis
from sonic_core.engines.lite.lip_edges import LipEdges
from sonic_core.engines.lite.lips import Lips
from sonic_core.engines.lite.pose import fit_face
from sonic_core.face.points import CHIN, FOREHEAD
from training.face import data
from training.learning import halved, save_weights

OPEN = 0.010  # face heights; in a 256 px crop a smaller opening shows too little
HIDDEN, BATCH, GRID_SHARE = 96, 64, 0.03
SHAPE = 19  # features of the mouth's shape; the rest is light


def mouths(faces: data.Faces) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (n, f), tones (n, rows, columns, 3) in [0, 1], and which face each is of (n,)."""
    basis, edges = MouthBasis.load(), LipEdges.load()
    features, tones, index = [], [], []
    for k, (image, landmarks) in enumerate(zip(faces.images, faces.landmarks, strict=True)):
        points = edges.refine(image, landmarks[:, :2])
        fit = fit_face(landmarks, basis)
        gap = ((points[LOWER_INNER] - points[UPPER_INNER]) @ fit.down).max()
        if gap < OPEN * np.linalg.norm(points[FOREHEAD] - points[CHIN]):
            continue
        lips = Lips(dense_contour(points[UPPER_INNER]), dense_contour(points[LOWER_INNER]), fit.down, 0)
        light = mouth_tone.light_features(image, points, fit)
        features.append(np.concatenate([mouth_tone.shape_features(lips, fit.scale), light]))
        seen = cv2.remap(image, mouth_tone.places(lips), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        tones.append(seen.astype(np.float32) / 255)
        index.append(k)
    return np.array(features), np.array(tones), np.array(index)


def mirrored(features: np.ndarray) -> np.ndarray:
    """The features of the flipped pictures."""
    shape, light = features[:, :SHAPE].copy(), features[:, SHAPE:].copy()
    shape[:, :9], shape[:, 9:18] = features[:, 8::-1], features[:, 17:8:-1]
    light[:, 4:7], light[:, 7:10] = features[:, SHAPE + 7 : SHAPE + 10], features[:, SHAPE + 4 : SHAPE + 7]
    light[:, 10] *= -1
    return np.concatenate([shape, light], 1)


def relit(features: torch.Tensor, tones: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Features and tones in another light: one gain and one gamma for all colours, and a tint."""
    n = len(features)

    def normal(size: tuple[int, ...], spread: float) -> torch.Tensor:
        return torch.exp(spread * torch.randn(size, generator=generator))

    gamma, gain = normal((n, 1), 0.15), normal((n, 1), 0.15) * normal((n, 3), 0.04)
    colours = features[:, SHAPE : SHAPE + 10].clone()
    full = torch.cat([gain.mean(1, keepdim=True), gain, gain, gain], 1)
    features = features.clone()
    features[:, SHAPE : SHAPE + 10] = (colours.clamp_min(1e-3) ** gamma * full).clamp(0, 1)
    features[:, :SHAPE] += 0.008 * torch.randn(n, SHAPE, generator=generator)
    return features, (tones.clamp_min(1e-3) ** gamma[:, :, None, None] * gain[:, None, None]).clamp(0, 1)


class Net(nn.Module):
    def __init__(self, features: int, cells: int):
        super().__init__()
        self.first, self.second = nn.Linear(features, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        self.last = nn.Linear(HIDDEN, cells)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.last(torch.tanh(self.second(torch.tanh(self.first(x))))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=mouth_tone.WEIGHTS.parent)
    parser.add_argument("--steps", type=int, default=4000)
    args = parser.parse_args()
    torch.manual_seed(0)
    training, held = data.split(data.load(args.data / "faces"))
    features, tones, index = mouths(training)
    weight = np.where(np.char.startswith(training.identity[index], "grid"), GRID_SHARE, 1.0)
    features, tones = np.concatenate([features, mirrored(features)]), np.concatenate([tones, tones[:, :, ::-1]])
    weight = torch.from_numpy(np.concatenate([weight, weight]))
    held_features, held_tones, _ = mouths(held)
    mean, deviation = features.mean(0), features.std(0) + 1e-3
    x, y = torch.from_numpy(features).float(), torch.from_numpy(np.ascontiguousarray(tones)).float()
    held_x = torch.from_numpy(((held_features - mean) / deviation).clip(-3, 3)).float()
    held_y = torch.from_numpy(held_tones)
    scale = torch.from_numpy(mean).float(), torch.from_numpy(deviation).float()
    levels = torch.tensor(mouth_tone.LEVELS)[:, None]
    net = Net(x.shape[1], len(levels) * y[0].numel())
    with torch.no_grad():
        average = (y * weight[:, None, None, None]).sum(0) / weight.sum()
        net.last.bias[:] = torch.logit(average.float().clamp(0.02, 0.98)).flatten().repeat(len(levels))
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.steps)
    generator = torch.Generator().manual_seed(0)
    print(f"{len(x)} mouths, {len(held_x)} of people held out; always the average: "
          f"{(average - held_y).abs().mean():.4f}", flush=True)  # fmt: skip
    for step in range(args.steps):
        chosen = torch.multinomial(weight, BATCH, generator=generator)
        features_now, tones_now = relit(x[chosen], y[chosen], generator)
        guess = net(((features_now - scale[0]) / scale[1]).clamp(-3, 3)).unflatten(1, (len(levels), -1))
        above = tones_now.flatten(1)[:, None] - guess
        loss = torch.maximum(levels * above, (levels - 1) * above).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % 500 == 0:
            with torch.no_grad():
                above = held_y.flatten(1)[:, None] - net(held_x).unflatten(1, (len(levels), -1))
            shares = ", ".join(f"{share:.2f}" for share in (above < 0).float().mean((0, 2)))
            print(f"step {step + 1}: training {loss:.4f}; held out: usual tone off by {above[:, 1].abs().mean():.4f}, "
                  f"pixels below the levels {shares}", flush=True)  # fmt: skip
    smiles = ~np.char.startswith(training.identity[index], "grid")
    smile = np.median(features[: len(index)][smiles, :SHAPE], 0)
    shapes = {"smile": smile, "mean": mean, "deviation": deviation}
    tensors = halved(net.state_dict()) | {name: torch.from_numpy(value).float() for name, value in shapes.items()}
    save_weights(tensors, args.out / mouth_tone.WEIGHTS.name, {"source": "see docs/model-card-lite.md"})


if __name__ == "__main__":
    main()
