"""Training of the landmark net: standard face, batches, loss and held-out figures."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from sonic_core.face import align, points
from sonic_core.face.detect import to_pixels
from sonic_core.face.nets import LANDMARK_INPUT, LANDMARKS, LandmarkNet
from training.face import augment, data, warp

FACE_HEIGHT = 0.68  # share of the crop between forehead and chin of the standard face
DOWN = -0.04  # the standard face sits a little high, to leave room for an open mouth
VARIANTS = 5


def standard_face(landmarks: np.ndarray) -> np.ndarray:
    """Mean shape (478, 3) in crop units (-1 to 1), from landmarks (n, 478, 3) in any pixels."""
    rigid = list(points.RIGID)
    mean = landmarks[0]
    for _ in range(4):
        aligned = align.apply(align.fit(landmarks[:, rigid, :2], mean[None, rigid, :2]), landmarks)
        mean = aligned.mean(0)
    oval = mean[list(points.FACE_OVAL), :2]
    middle = np.array([*((oval.max(0) + oval.min(0)) / 2), mean[:, 2].mean()])
    eyes = points.keypoints(mean)[:2, :2]
    tilt = np.arctan2(*(eyes[1] - eyes[0])[::-1])
    scale = 2 * FACE_HEIGHT / np.linalg.norm(mean[points.FOREHEAD] - mean[points.CHIN])
    upright = scale * np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    matrix = np.concatenate([upright, np.array([[0.0], [DOWN]])], 1)
    return align.apply(matrix, mean - middle).astype(np.float32)


def mirror_order(mean: np.ndarray) -> np.ndarray:
    """For each landmark, the one whose place it takes in a mirrored picture, (478,)."""
    from scipy.optimize import linear_sum_assignment

    flipped = mean * np.array([-1, 1, 1], np.float32)
    cost = np.linalg.norm(mean[:, None] - flipped[None], axis=-1) ** 2
    for right, left in zip(points.RIGHT_IRIS, (473, 476, 475, 474, 477), strict=True):
        cost[right, left] = cost[left, right] = -1
    return linear_sum_assignment(cost)[1]


def variants(faces: data.Faces, motion: warp.LipMotion, count: int, seed: int) -> data.Faces:
    """`count` warped pictures of everybody; of GRID, whose mouth opens by itself, one of every third frame."""
    rng = np.random.default_rng(seed)
    made = []
    for i, person in enumerate(faces.identity):
        copies = count if not person.startswith("grid") else int(i % 3 == 0)
        made += [(*warp.variant(faces.images[i], faces.landmarks[i], motion, rng), i) for _ in range(copies)]
    images, landmarks, source = zip(*made, strict=True)
    chosen = np.array(source)
    weight = np.where(faces.weight[chosen] < 1, 0.25, 1.2 / count).astype(np.float32)
    return data.Faces(np.stack(images), np.stack(landmarks), faces.identity[chosen], weight)


def jitter(rng: np.random.Generator, loose: bool) -> np.ndarray:
    """A random similarity (2, 3) in crop units: off as the detector's aim (`loose`), or as the last frame's."""
    if loose:
        angle, size, shift = rng.uniform(-28, 28), np.exp(rng.uniform(-0.3, 0.3)), rng.normal(0, 0.12, 2)
    else:
        angle, size, shift = rng.normal(0, 3), np.exp(rng.normal(0, 0.04)), rng.normal(0, 0.03, 2)
    cos, sin = size * np.cos(np.radians(angle)), size * np.sin(np.radians(angle))
    return np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]]])


class Batches:
    def __init__(self, faces: data.Faces, mean: np.ndarray, seed: int) -> None:
        self.faces, self.mean, self.rng = faces, mean, np.random.default_rng(seed)
        self.mirror = mirror_order(mean)
        self.chances = np.cumsum(faces.weight / faces.weight.sum())
        self.pictures = augment.backgrounds()

    def crop(self, index: int, change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rigid = list(points.RIGID)
        landmarks = self.faces.landmarks[index]
        to_unit = align.compose(change, align.fit(landmarks[rigid, :2], self.mean[rigid, :2]))
        to_crop = align.compose(align.unit_to_pixels(LANDMARK_INPUT), to_unit)
        return align.cut(self.faces.images[index], to_crop, LANDMARK_INPUT), align.apply(to_unit, landmarks)

    def face(self) -> tuple[np.ndarray, np.ndarray]:
        rng = self.rng
        index = min(int(np.searchsorted(self.chances, rng.random())), len(self.chances) - 1)
        image, target = self.crop(index, jitter(rng, loose=rng.random() < 0.45))
        if rng.random() < 0.5:
            image = np.ascontiguousarray(image[:, ::-1])
            target = (target * np.array([-1, 1, 1], np.float32))[self.mirror]
        if rng.random() < 0.2:
            hull = cv2.convexHull(((target[:, :2] + 1) * LANDMARK_INPUT / 2).astype(np.float32))
            middle = hull.mean(0, keepdims=True)
            mask = np.zeros(image.shape[:2], np.float32)
            cv2.fillConvexPoly(mask, ((hull - middle) * rng.uniform(1.0, 1.5) + middle).astype(np.int32), 1.0)
            mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.5, 4))[..., None]
            image = (image * mask + augment.background(self.pictures, LANDMARK_INPUT, rng) * (1 - mask)).astype(
                np.uint8
            )
        if rng.random() < 0.2:
            image = augment.occlude(image, rng)
        return augment.photograph(image, rng), target

    def no_face(self) -> np.ndarray:
        """A picture without a whole upright face: a texture, a crop beside it, a part of it, or a face upside down."""
        rng = self.rng
        kind = rng.choice(["texture", "beside", "part", "turned"], p=[0.35, 0.2, 0.3, 0.15])
        if kind == "texture":
            return augment.photograph(augment.background(self.pictures, LANDMARK_INPUT, rng), rng)
        index = int(rng.integers(len(self.faces.images)))
        change = jitter(rng, loose=True)
        angle = rng.uniform(0, 2 * np.pi)
        away = np.array([np.cos(angle), np.sin(angle)])
        if kind == "beside":
            change[:, 2] = rng.uniform(1.3, 2.2) * away
        elif kind == "part":
            zoom = rng.uniform(2.5, 8)
            change[:, :2] *= zoom
            change[:, 2] = zoom * rng.uniform(0, 1.0) * away
        else:
            change[:, :2] *= -1
        return augment.photograph(self.crop(index, change)[0], rng)

    def __call__(self, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels (n, 3, 128, 128), landmarks (n, 478, 3) in crop units (zero without a face), presence (n,)."""
        images, targets = (
            np.zeros((size, LANDMARK_INPUT, LANDMARK_INPUT, 3), np.uint8),
            np.zeros((size, LANDMARKS, 3), np.float32),
        )
        present = np.arange(size) >= size // 8
        for k in range(size):
            if present[k]:
                images[k], targets[k] = self.face()
            else:
                images[k] = self.no_face()
        return to_pixels(images), torch.from_numpy(targets), torch.from_numpy(present.astype(np.float32))


def point_weights() -> Tensor:
    weight = torch.ones(LANDMARKS)
    weight[list(points.OUTER_LIPS + points.INNER_LIPS + points.RIGHT_EYE + points.LEFT_EYE)] = 3.0
    weight[list(points.RIGHT_IRIS + points.LEFT_IRIS)] = 2.0
    weight[[13, 14, points.CHIN, points.FOREHEAD]] = 5.0
    return weight / weight.mean()


PAIRS = torch.tensor(points.LIP_PAIRS + points.RIGHT_LID_PAIRS + points.LEFT_LID_PAIRS)


def distance(error: Tensor) -> Tensor:
    """Length (...) of errors (..., d) in crop units, quadratic below half a percent of the crop."""
    return torch.sqrt(error.pow(2).sum(-1) + 0.005**2)


def loss(net: LandmarkNet, weights: Tensor, pixels: Tensor, targets: Tensor, present: Tensor) -> Tensor:
    guess, logit = net(pixels)
    seen = present > 0
    guess, targets = guess[seen], targets[seen]
    flat = (distance(guess[..., :2] - targets[..., :2]) * weights).mean()
    depth = (guess[..., 2] - targets[..., 2]).abs().mean()

    def gaps(p: Tensor) -> Tensor:
        return p[:, PAIRS[:, 0], :2] - p[:, PAIRS[:, 1], :2]

    opening = distance(gaps(guess) - gaps(targets)).mean()
    return (
        flat + 0.2 * depth + 0.5 * opening + 0.01 * torch.nn.functional.binary_cross_entropy_with_logits(logit, present)
    )


def start(mean: np.ndarray, faces: data.Faces, components: int = 96) -> LandmarkNet:
    """A net whose last layer starts as the principal components of the faces' shapes."""
    net = LandmarkNet(components)
    rigid = list(points.RIGID)
    aligned = align.apply(align.fit(faces.landmarks[:, rigid, :2], mean[None, rigid, :2]), faces.landmarks)
    rng = np.random.default_rng(0)
    aligned = np.concatenate(
        [align.apply(jitter(rng, loose=k % 2 == 0), shape)[None] for k, shape in enumerate(aligned)]
    )
    flat = torch.from_numpy(aligned.reshape(len(aligned), -1).astype(np.float32))
    _, s, v = torch.pca_lowrank(flat, components, niter=4)
    with torch.no_grad():
        net.shape.weight.copy_(v * s / len(flat) ** 0.5)
        net.shape.bias.copy_(torch.from_numpy(mean.reshape(-1)))
    return net


@torch.no_grad()
def figures(net: LandmarkNet, held: data.Faces, warped: data.Faces, mean: np.ndarray) -> dict[str, float]:
    """Held-out errors in percent of the inter-ocular distance, after two passes from a badly aimed first crop."""
    result = {}
    for name, faces in (("", held), ("warped_", warped)):
        batches = Batches(faces, mean, seed=1)
        rng = np.random.default_rng(2)
        crops = [batches.crop(i, jitter(rng, loose=True)) for i in range(len(faces.images))]
        guess = net(to_pixels(np.stack([image for image, _ in crops])))[0].numpy()
        first = errors(guess, np.stack([target for _, target in crops]))
        second_crops, second_targets = [], []
        rng = np.random.default_rng(2)
        for i in range(len(faces.images)):
            change = jitter(rng, loose=True)
            aim = align.fit(guess[i][list(points.RIGID), :2], mean[list(points.RIGID), :2])
            image, target = batches.crop(i, align.compose(aim, change))
            second_crops.append(image)
            second_targets.append(target)
        refined = net(to_pixels(np.stack(second_crops)))[0].numpy()
        result[f"{name}first_pass"] = first["all"]
        result |= {f"{name}{key}": value for key, value in errors(refined, np.stack(second_targets)).items()}
    return {key: round(float(value), 3) for key, value in result.items()}


def errors(guess: np.ndarray, target: np.ndarray) -> dict[str, float]:
    eyes = points.keypoints(target)[:, :2, :2]
    ocular = np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=-1)[:, None]
    error = np.linalg.norm(guess[..., :2] - target[..., :2], axis=-1) / ocular * 100
    height = np.linalg.norm(target[:, points.FOREHEAD, :2] - target[:, points.CHIN, :2], axis=-1)

    def gap(p: np.ndarray, upper: int, lower: int) -> np.ndarray:
        return np.linalg.norm(p[:, upper, :2] - p[:, lower, :2], axis=-1)

    lips = gap(guess, 13, 14) / height - gap(target, 13, 14) / height
    lids = (gap(guess, 159, 145) - gap(target, 159, 145)) / ocular[:, 0] * 100
    return {
        "all": error.mean(),
        "lips": error[:, list(points.OUTER_LIPS + points.INNER_LIPS)].mean(),
        "eyes": error[:, list(points.RIGHT_EYE + points.LEFT_EYE)].mean(),
        "lip_opening": np.abs(lips).mean() * 100,
        "lip_correlation": np.corrcoef(gap(guess, 13, 14) / height, gap(target, 13, 14) / height)[0, 1],
        "lid_opening": np.abs(lids).mean(),
        "lid_correlation": np.corrcoef(gap(guess, 159, 145), gap(target, 159, 145))[0, 1],
    }


def datasets(folder: Path, cache: Path) -> tuple[data.Faces, data.Faces, data.Faces, np.ndarray]:
    """Training faces with their variants, held-out faces, warped held-out faces, and the standard face (478, 3).

    Warping takes some minutes, so its result is kept in the folder `cache`.
    """
    train, held = data.split(data.load(folder / "faces"))
    mean = standard_face(train.landmarks)
    kept = cache / "variants.npz"
    if not kept.exists():
        motion = warp.load_lip_motion(folder / "grid_s1", np.random.default_rng(0))
        made = {"train": variants(train, motion, VARIANTS, seed=3), "held": variants(held, motion, 3, seed=4)}
        with kept.with_suffix(".tmp").open("wb") as file:
            np.savez(
                file, **{f"{side}_{key}": value for side, faces in made.items() for key, value in vars(faces).items()}
            )
        os.replace(kept.with_suffix(".tmp"), kept)
    table = np.load(kept)
    warped = {side: data.Faces(*(table[f"{side}_{key}"] for key in vars(held))) for side in ("train", "held")}
    return data.joined(train, warped["train"]), held, warped["held"], mean
