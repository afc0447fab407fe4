"""Training of the detector: scenes made of face crops and backgrounds, targets, loss and held-out figures."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sonic_core.face import align, points
from sonic_core.face.detect import to_pixels
from sonic_core.face.nets import DETECTOR_STRIDE, DetectorNet
from training.face import augment, data

SCENE = 224
SMALLEST, LARGEST = 0.06, 1.0  # face size as a share of the scene


def size_of(landmarks: np.ndarray) -> np.ndarray:
    """Geometric mean of the sides of the landmark box, (..., 478, 2+) -> (...)."""
    sides = landmarks[..., :2].max(-2) - landmarks[..., :2].min(-2)
    return np.sqrt(sides[..., 0] * sides[..., 1])


class Scenes:
    def __init__(self, faces: data.Faces, seed: int) -> None:
        self.faces, self.rng = faces, np.random.default_rng(seed)
        self.chances = np.cumsum(faces.weight / faces.weight.sum())
        self.pictures = augment.backgrounds()

    def place(self, size: float, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A random face of `size` px at `centre`: layer (s, s, 3) uint8, alpha (s, s, 1) float, landmarks (478, 2)."""
        rng = self.rng
        index = min(int(np.searchsorted(self.chances, rng.random())), len(self.chances) - 1)
        image, marks = self.faces.images[index], self.faces.landmarks[index, :, :2]
        if rng.random() < 0.5:
            image, marks = image[:, ::-1], marks * [-1, 1] + [image.shape[1] - 1, 0]
            flipped = True
        else:
            flipped = False
        scale = size / size_of(marks)
        angle = np.radians(rng.uniform(-48, 48) if rng.random() < 0.5 else rng.normal(0, 8))
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        linear = np.array([[cos, -sin], [sin, cos]])
        middle = (marks.max(0) + marks.min(0)) / 2
        matrix = np.concatenate([linear, (centre - linear @ middle)[:, None]], 1)
        mask = np.zeros(image.shape[:2], np.float32)
        kind = rng.random()
        if kind < 0.35:  # the whole crop
            inset = int(rng.integers(0, 12))
            mask[inset : 256 - inset, inset : 256 - inset] = 1
        elif kind < 0.5:  # the face alone
            hull = cv2.convexHull(marks.astype(np.float32))[:, 0]
            cv2.fillConvexPoly(mask, ((hull - middle) * rng.uniform(1.0, 1.2) + middle).astype(np.int32), 1.0)
        else:  # head, hair and shoulders, roughly
            axes = (np.ptp(marks[:, 0]) * rng.uniform(0.65, 0.85), np.ptp(marks[:, 1]) * rng.uniform(0.75, 1.0))
            cv2.ellipse(mask, ((middle[0], middle[1] - axes[1] * 0.12), (2 * axes[0], 2 * axes[1]), 0), 1.0, -1)
            if rng.random() < 0.6:
                cv2.ellipse(mask, ((middle[0], 280), (230, 2 * rng.uniform(60, 110)), 0), 1.0, -1)
        mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.5, 6))
        layer = align.cut(np.ascontiguousarray(image), matrix, SCENE)
        alpha = cv2.warpAffine(mask, matrix, (SCENE, SCENE), flags=cv2.INTER_LINEAR)[..., None]
        marks = align.apply(matrix, marks)
        if flipped:  # the right eye is the one on the left of the picture
            marks = marks.copy()
            for right, left in ((points.RIGHT_EYE, points.LEFT_EYE), ((61,), (291,))):
                marks[[*right, *left]] = marks[[*left, *right]]
        return layer, alpha, marks

    def decoy(self, scene: np.ndarray) -> np.ndarray:
        """A head without a face: its features are wiped, scrambled or turned over."""
        rng = self.rng
        size = SCENE * np.exp(rng.uniform(np.log(SMALLEST), np.log(0.7)))
        layer, alpha, marks = self.place(size, rng.uniform(0, SCENE, 2))
        x1, y1 = np.clip(marks.min(0).astype(int), 0, SCENE - 2)
        x2, y2 = np.clip(marks.max(0).astype(int) + 1, 2, SCENE)
        inside = layer[y1:y2, x1:x2]
        if min(inside.shape[:2]) < 4:
            return scene
        kind = rng.integers(3)
        if kind == 0:
            inside[:] = cv2.GaussianBlur(inside, (0, 0), size / 4)
        elif kind == 1:
            half = inside.shape[0] // 2
            inside[: 2 * half] = np.concatenate([inside[half : 2 * half, ::-1], inside[:half]])
        else:
            inside[:] = inside[::-1]
        return (scene * (1 - alpha) + layer * alpha).astype(np.uint8)

    def scene(self) -> tuple[np.ndarray, np.ndarray]:
        """A picture (224, 224, 3) uint8 and its faces, (k, 5, 2): box corners, right eye, left eye, mouth."""
        rng = self.rng
        scene = augment.background(self.pictures, SCENE, rng)
        for _ in range(int(rng.choice([0, 1, 2], p=[0.6, 0.25, 0.15]))):
            scene = self.decoy(scene)
        found: list[np.ndarray] = []
        for _ in range(int(rng.choice([0, 1, 2, 4], p=[0.15, 0.55, 0.2, 0.1]))):
            size = SCENE * np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST)))
            room = max(SCENE / 2 - size * 0.4, SCENE * 0.1)
            centre = SCENE / 2 + rng.uniform(-room, room, 2)
            others = [(box[:2].sum(0) / 2, np.sqrt(np.prod(box[1] - box[0]))) for box in found]
            if any(np.abs(centre - c).max() < 0.75 * (size + s) for c, s in others):
                continue
            layer, alpha, marks = self.place(size, centre)
            scene = (scene * (1 - alpha) + layer * alpha).astype(np.uint8)
            found.append(np.concatenate([[marks.min(0), marks.max(0)], points.keypoints(marks)]))
        if rng.random() < 0.15:
            scene = augment.occlude(scene, rng)
        boxes = np.stack(found) if found else np.zeros((0, 5, 2))
        return augment.photograph(scene, rng, coarsest=0.6), boxes.astype(np.float32)

    def __call__(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels (n, 3, s, s), targets (n, 8, s / 8, s / 8), weights (n, s / 8, s / 8): 0 where any answer is right."""
        made = [self.scene() for _ in range(count)]
        both = [targets(faces, SCENE // DETECTOR_STRIDE) for _, faces in made]
        return (
            to_pixels(np.stack([image for image, _ in made])),
            torch.from_numpy(np.stack([t for t, _ in both])),
            torch.from_numpy(np.stack([w for _, w in both])),
        )


def targets(faces: np.ndarray, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """What the net should say about faces (k, 5, 2) in px: (8, cells, cells), and which cells count (cells, cells)."""
    target, weight = np.zeros((8, cells, cells), np.float32), np.ones((cells, cells), np.float32)
    x, y = np.meshgrid(np.arange(cells), np.arange(cells))
    grid = np.stack([x, y], -1).astype(np.float32)
    for face in faces:
        in_cells = (face + 0.5) / DETECTOR_STRIDE - 0.5
        size = np.sqrt(np.prod(in_cells[1] - in_cells[0]))
        distance = np.linalg.norm(grid - in_cells[:2].mean(0), axis=-1)
        positive = distance <= max(0.15 * size, distance.min() + 1e-3)
        weight[(distance < max(0.35 * size, 1.5)) & (target[0] == 0)] = 0
        weight[positive] = 1
        offsets = (in_cells[2:] - grid[..., None, :]) / size
        values = np.concatenate(
            [np.ones((cells, cells, 1)), np.full((cells, cells, 1), np.log(size)), offsets.reshape(cells, cells, 6)], -1
        )
        target[:, positive] = values[positive].T
    return target, weight


def loss(net: DetectorNet, pixels: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    output = net(pixels)
    logit, truth = output[:, 0], target[:, 0]
    chance = torch.sigmoid(logit)
    wrong = torch.where(truth > 0, 1 - chance, chance)
    focal = wrong**2 * functional.binary_cross_entropy_with_logits(logit, truth, reduction="none") * weight
    seen = truth > 0
    # every face counts the same, however many cells it covers
    per_image = seen.flatten(1).sum(1).clamp(min=1)[:, None, None]
    share = torch.where(seen, 1.0 / per_image, torch.zeros(()))
    presence = (focal * torch.where(seen, share * 4 + 0.1, torch.ones(()))).sum() / len(pixels)
    error = (output[:, 1:] - target[:, 1:]).abs()
    fit = (error * share[:, None]).sum() / share.sum().clamp(min=1e-3)
    return presence + 0.5 * fit


@torch.no_grad()
def figures(net: DetectorNet, held: data.Faces, count: int = 200) -> dict[str, float]:
    """On scenes of held-out people: share found, false alarms a scene, keypoint error in percent of a face's size."""
    scenes = Scenes(held, seed=5)
    found = faces = alarms = 0
    errors = []
    for _ in range(count):
        image, truth = scenes.scene()
        output = net(to_pixels(image[None]))[0]
        heat = torch.sigmoid(output[0])
        peak = (heat == functional.max_pool2d(heat[None], 3, 1, 1)[0]) & (heat > 0.4)
        guesses = []
        for y, x in peak.nonzero().tolist():
            size = float(output[1, y, x].exp())
            keys = output[2:, y, x].reshape(3, 2).numpy() * size + [x, y]
            guesses.append((keys + 0.5) * DETECTOR_STRIDE - 0.5)
        faces += len(truth)
        matched = set()
        for face in truth:
            size = np.sqrt(np.prod(face[1] - face[0]))
            distance = [np.linalg.norm(g - face[2:], axis=1).mean() / size for g in guesses]
            if distance and min(distance) < 0.25:
                found += 1
                errors.append(min(distance))
            matched |= {k for k, d in enumerate(distance) if d < 0.4}
        alarms += len(guesses) - len(matched)
    return {
        "found": round(found / faces, 3),
        "false_alarms": round(alarms / count, 3),
        "keypoints": round(100 * float(np.mean(errors or [1])), 2),
    }
