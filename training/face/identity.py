"""Training of the identity net: two views of one person must be closer than views of different people."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sonic_core.face import align, points
from sonic_core.face.detect import to_pixels
from sonic_core.face.nets import IDENTITY_INPUT, IdentityNet
from training.face import augment, data
from training.face.landmarks import jitter

TEMPERATURE = 0.1


class Views:
    def __init__(self, faces: data.Faces, mean: np.ndarray, seed: int) -> None:
        self.faces, self.rng = faces, np.random.default_rng(seed)
        self.target = mean[list(points.RIGID), :2]
        self.people = [np.flatnonzero(faces.identity == person) for person in np.unique(faces.identity)]

    def view(self, index: int) -> np.ndarray:
        rng = self.rng
        change = align.compose(
            jitter(rng, loose=False), align.fit(self.faces.landmarks[index, list(points.RIGID), :2], self.target)
        )
        crop = align.cut(
            self.faces.images[index], align.compose(align.unit_to_pixels(IDENTITY_INPUT), change), IDENTITY_INPUT
        )
        if rng.random() < 0.5:
            crop = np.ascontiguousarray(crop[:, ::-1])
        return augment.photograph(crop, rng, coarsest=0.35)

    def __call__(self, people: int) -> tuple[Tensor, Tensor]:
        """Two views of each of `people` different people: (n, 3, 96, 96) twice."""
        chosen = self.rng.choice(len(self.people), min(people, len(self.people)), replace=False)
        views = [[self.view(int(self.rng.choice(self.people[k]))) for k in chosen] for _ in range(2)]
        return to_pixels(np.stack(views[0])), to_pixels(np.stack(views[1]))


def loss(net: IdentityNet, first: Tensor, second: Tensor) -> Tensor:
    """Symmetric cross-entropy over similarities: each view must pick its partner among all others (NT-Xent)."""
    a, b = net(torch.cat([first, second])).chunk(2)
    similarity = a @ b.T / TEMPERATURE
    truth = torch.arange(len(a))
    return (
        torch.nn.functional.cross_entropy(similarity, truth) + torch.nn.functional.cross_entropy(similarity.T, truth)
    ) / 2


@torch.no_grad()
def figures(net: IdentityNet, held: data.Faces, mean: np.ndarray) -> dict[str, float]:
    """On held-out people: equal error rate of verification, and how often the partner comes first among all.

    `real_pairs` is the same over the London people, whose two photos (neutral, smiling) are really two.
    """
    views = Views(held, mean, seed=4)
    a, b = (net(pixels) for pixels in views(len(views.people)))
    similarity = a @ b.T
    twice = [
        person for person in views.people if str(held.identity[person[0]]).startswith("london") and len(person) > 1
    ]
    ends = [to_pixels(np.stack([views.view(int(person[end])) for person in twice])) for end in (0, -1)]
    real = net(ends[0]) @ net(ends[1]).T
    same, other = similarity.diagonal(), similarity[~torch.eye(len(similarity), dtype=torch.bool)]
    thresholds = torch.linspace(-1, 1, 401)
    missed = (same[:, None] < thresholds).float().mean(0)
    mistaken = (other[:, None] >= thresholds).float().mean(0)
    at = (missed - mistaken).abs().argmin()
    return {
        "equal_error": round(float((missed + mistaken)[at]) / 2, 4),
        "partner_first": round(float((similarity.argmax(1) == torch.arange(len(similarity))).float().mean()), 3),
        "real_pairs_first": round(float((real.argmax(1) == torch.arange(len(real))).float().mean()), 3),
        "same": round(float(same.mean()), 3),
        "other": round(float(other.mean()), 3),
    }
