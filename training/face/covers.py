"""Teach the net of `sonic_core/face/covers.py` whether a mouth is hidden, and whether dark or clear glasses are worn.

    python -m training.face.covers --data ../shared/data [--out sonic_core/face/weights] [--steps 400] [--tune]

Masks, hands, cups, microphones, dark and clear glasses are drawn onto faces that show everything, and other things
where they hide nothing, so that the net attends to what is hidden. Who wears real glasses is listed in `glasses.txt`.
One tenth of the people is held out, and the printed figures are of them. `--tune` starts with the weights
that ship, which had 400 steps and 450 more in two such runs.
"""

from __future__ import annotations

import argparse
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional

from sonic_core.face import align, points
from sonic_core.face.covers import INPUT, aim_at
from sonic_core.face.detect import WEIGHTS, to_pixels
from sonic_core.face.nets import CoverNet
from training.face import data
from training.learning import halved, save_weights

BATCH = 48
# From one cheek over the nose to the other, then round the jaw.
MASK = (234, 117, 50, 195, 280, 346, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136,
        172, 58, 132, 93)  # fmt: skip


def half_size(faces: data.Faces) -> data.Faces:
    """The faces at half the size, which is as fine as the net's crops and four times as fast to draw on."""
    images = np.stack([cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for image in faces.images])
    return data.Faces(images, faces.landmarks / 2, faces.identity, faces.weight)


def colour(rng: np.random.Generator, skin: np.ndarray) -> np.ndarray:
    """The colour (3,) of a cover: white, pale blue, black or any for cloth, about the face's own skin for a hand."""
    kind = rng.integers(5)
    plain = [(235, 235, 235), (160, 195, 215), (25, 25, 28)]
    if kind < 3:
        return np.clip(np.array(plain[kind]) + rng.normal(0, 12, 3), 0, 255)
    return rng.uniform(10, 245, 3) if kind == 3 else np.clip(skin * rng.uniform(0.75, 1.15), 0, 255)


def laid_over(image: np.ndarray, mask: np.ndarray, cover: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The image (h, w, 3) with a cover of one colour (3,) where the mask (h, w) is 1, folded and lit like the image."""
    soft = cv2.blur(image, (25, 25)).mean(-1, keepdims=True)
    light = (soft / max(float(soft[mask > 0].mean()) if (mask > 0).any() else 1.0, 1.0)) ** rng.uniform(0.3, 1.0)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    angle, length = rng.uniform(0, np.pi), rng.uniform(4, 20)
    folds = 1 + rng.uniform(0, 0.15) * np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / length)[..., None]
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), rng.uniform(0.3, 0.8))[..., None]
    grain = rng.normal(0, rng.uniform(0, 6), image.shape)
    return np.clip(image * (1 - alpha) + (cover * light * folds + grain) * alpha, 0, 255).astype(np.uint8)


def blob(size: int, centre: np.ndarray, reach: float, rng: np.random.Generator) -> np.ndarray:
    """The mask (size, size) of an ellipse or a bar of about `reach` px round `centre`."""
    mask = np.zeros((size, size), np.uint8)
    axes = (reach * rng.uniform(0.8, 1.4, 2)).astype(int)
    x, y = (int(v) for v in centre)
    angle = float(rng.uniform(0, 180))
    if rng.random() < 0.5:
        cv2.ellipse(mask, (x, y), (int(axes[0]), int(axes[1])), angle, 0, 360, 1, -1)
    else:
        corners = cv2.boxPoints(((x, y), (2.0 * axes[0], 2.0 * axes[1]), angle))
        cv2.fillPoly(mask, [corners.astype(np.int32)], 1)
    return mask


def cup(size: int, marks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mask (size, size) of a cup at the lips, over the chin; it may leave the mouth's corners to be seen."""
    width = np.linalg.norm(marks[61] - marks[291])
    across, (x, y) = (marks[291] - marks[61]) / width, marks[0]
    down = np.array([-across[1], across[0]])
    half, height = rng.uniform(0.38, 0.8) * width, rng.uniform(0.7, 1.8) * width
    rim = np.array([x, y]) + rng.normal(0, 0.05 * width, 2) - rng.uniform(0, 0.25) * width * down
    narrowed = rng.uniform(0.7, 1.05)
    corners = [rim - half * across, rim + half * across]
    corners += [rim + height * down + side * narrowed * half * across for side in (1, -1)]
    return cv2.fillPoly(np.zeros((size, size), np.uint8), [np.array(corners).astype(np.int32)], 1)


@lru_cache
def wearers() -> tuple[set[str], set[str]]:
    """The identities of those who surely wear glasses, and of those who perhaps do."""
    lines = (Path(__file__).parent / "glasses.txt").read_text().splitlines()[1:]
    return {line for line in lines if line[0] != "?"}, {line[2:] for line in lines if line[0] == "?"}


def example(
    image: np.ndarray, marks: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[float, float, float]]:
    """A picture made from `image`, and whether in it the mouth is hidden, dark lenses and any glasses are drawn."""
    size, hidden, dark, rimmed = image.shape[0], 0.0, 0.0, 0.0
    skin = np.median(image[np.clip(marks[[50, 280, 151], 1].astype(int), 0, size - 1),
                           np.clip(marks[[50, 280, 151], 0].astype(int), 0, size - 1)], 0)  # fmt: skip
    eyes = np.linalg.norm(marks[33] - marks[263])
    mouth = marks[[61, 291, 13, 14]].mean(0)
    kind = rng.random()
    if kind < 0.22:
        outline = marks[list(MASK)] + rng.normal(0, 0.02 * eyes, (len(MASK), 2))
        mask = cv2.fillPoly(np.zeros((size, size), np.uint8), [outline.astype(np.int32)], 1)
        image, hidden = laid_over(image, mask, colour(rng, skin), rng), 1.0
    elif kind < 0.42:
        width = np.linalg.norm(marks[61] - marks[291])
        if rng.random() < 0.5:
            mask = cup(size, marks, rng)
        else:
            mask = blob(size, mouth + rng.normal(0, 0.08 * width, 2), rng.uniform(0.38, 0.66) * width, rng)
        image, hidden = laid_over(image, mask, colour(rng, skin), rng), 1.0
    elif kind < 0.62:  # something that hides neither
        angle = rng.uniform(0, 2 * np.pi)
        place = marks[1] + eyes * rng.uniform(1.3, 1.8) * np.array([np.cos(angle), np.sin(angle)])
        image = laid_over(image, blob(size, place, 0.3 * eyes, rng), colour(rng, skin), rng)
    kind = rng.random()
    if kind < 0.45:
        mask, rims = np.zeros((size, size), np.uint8), np.zeros((size, size), np.uint8)
        across, height = eyes * rng.uniform(0.25, 0.34), eyes * rng.uniform(0.18, 0.30)
        turn = float(np.degrees(np.arctan2(*(marks[263] - marks[33])[::-1])))
        for eye in (points.RIGHT_EYE, points.LEFT_EYE):
            x, y = (int(v) for v in marks[list(eye)].mean(0))
            for canvas, thick in ((mask, -1), (rims, max(1, int(eyes * rng.uniform(0.02, 0.06))))):
                cv2.ellipse(canvas, (x, y), (int(across), int(height)), turn, 0, 360, 1, thick)
        cv2.line(rims, *(tuple(int(v) for v in marks[i]) for i in (193, 417)), 1, max(1, int(0.03 * eyes)))
        rimmed = 1.0
        if kind < 0.27:
            tint = rng.uniform(0, 45, 3)
            image, dark = laid_over(image, mask, tint, rng), 1.0
        image = laid_over(image, rims, rng.uniform(0, 200, 3), rng)
    return image, (hidden, dark, rimmed)


def batch(faces: data.Faces, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels (n, 3, INPUT, INPUT) and targets (n, 3)."""
    worn, unclear = wearers()
    weight = faces.weight * [0 if one in unclear else 4 if one in worn else 1 for one in faces.identity]
    crops, targets = [], []
    for index in rng.choice(len(faces.images), count, p=weight / weight.sum()):
        image, (hidden, dark, rimmed) = example(faces.images[index], faces.landmarks[index, :, :2], rng)
        aim = aim_at(faces.landmarks[index] + rng.normal(0, 0.3, (478, 3)))
        crop = align.cut(image, aim, INPUT)
        if rng.random() < 0.5:
            crop = np.ascontiguousarray(crop[:, ::-1])
        light = np.clip(crop * rng.uniform(0.6, 1.3) * np.exp(rng.normal(0, 0.06, 3)), 0, 255)
        crops.append(np.repeat(light.mean(-1, keepdims=True), 3, -1) if rng.random() < 0.1 else light)
        targets.append((hidden, dark, max(rimmed, float(faces.identity[index] in worn))))
    return to_pixels(np.stack(crops).astype(np.uint8)), torch.tensor(targets)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--tune", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    training, held = data.split(half_size(data.load(args.data / "faces")))
    net = CoverNet()
    if args.tune:
        known = {name: value.float() for name, value in load_file(WEIGHTS / "covers.safetensors").items()}
        for name in ("answer.weight", "answer.bias"):  # further answers begin anew
            known[name] = torch.cat([known[name], net.state_dict()[name][len(known[name]) :]])
        net.load_state_dict(known, strict=False)
    optimizer = torch.optim.AdamW(net.parameters(), 5e-4 if args.tune else 2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.steps)
    test_x, test_y = batch(held, 400, np.random.default_rng(1))
    for step in range(args.steps):
        x, y = batch(training, BATCH, rng)
        loss = functional.binary_cross_entropy_with_logits(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % 50 == 0:
            net.eval()
            with torch.no_grad():
                guess = net(test_x)
            net.train()
            for name, logit, truth in zip(("mouth", "dark glasses", "glasses"), guess.T, test_y.T, strict=True):
                limit = logit[truth == 0].quantile(0.99)
                found = (logit[truth == 1] > limit).float().mean()
                print(f"step {step + 1}: {name} {found:.3f} found with 1 % false alarms, at {limit:.1f}", flush=True)
    save_weights(halved(net.state_dict()), args.out / "covers.safetensors", {"source": "see docs/model-card-lite.md"})


if __name__ == "__main__":
    main()
