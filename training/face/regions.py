"""Training of the region nets on close crops of mouths and eyes, aimed no better than the landmark net aims them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sonic_core.face import align, points, regions
from sonic_core.face.detect import to_pixels
from sonic_core.face.nets import REGION_INPUT, RegionNet
from training.face import augment, data
from training.face.landmarks import distance, errors
from training.face.recolour import recolour

KINDS = {region.net: [r for r in regions.REGIONS if r.net == region.net] for region in regions.REGIONS}
RECOLOURED = 0.4  # share of the mouths that are seen in other colours
PAIRS = {"mouth": points.LIP_PAIRS, "eye": points.RIGHT_LID_PAIRS}


def pairs(kind: str) -> Tensor:
    """(k, 2) pairs of the net's points that meet when lips or lids are shut."""
    order = {index: row for row, index in enumerate(KINDS[kind][0].points)}
    return torch.tensor([(order[upper], order[lower]) for upper, lower in PAIRS[kind]])


class Crops:
    def __init__(self, faces: data.Faces, kind: str, seed: int) -> None:
        self.faces, self.kind, self.rng = faces, kind, np.random.default_rng(seed)
        self.chances = np.cumsum(faces.weight / faces.weight.sum())

    def one(self, index: int, region: regions.Region) -> tuple[np.ndarray, np.ndarray]:
        """A crop (48, 48, 3) uint8 and its points (k, 2) in crop units."""
        rng = self.rng
        landmarks = self.faces.landmarks[index]
        angle, size, shift = np.radians(rng.normal(0, 4)), np.exp(rng.normal(0, 0.07)), rng.normal(0, 0.07, 2)
        cos, sin = size * np.cos(angle), size * np.sin(angle)
        change = np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]]])
        matrix = align.compose(change, regions.aim(region, landmarks))
        crop = align.cut(
            self.faces.images[index], align.compose(align.unit_to_pixels(REGION_INPUT), matrix), REGION_INPUT
        )
        return crop, align.apply(matrix, landmarks[list(region.points), :2])

    def __call__(self, count: int) -> tuple[Tensor, Tensor]:
        """Pixels (n, 3, 48, 48), points (n, k, 2)."""
        rng = self.rng
        crops, targets = [], []
        mirror = mirror_order(self.kind)
        for _ in range(count):
            index = min(int(np.searchsorted(self.chances, rng.random())), len(self.chances) - 1)
            crop, target = self.one(index, KINDS[self.kind][rng.integers(len(KINDS[self.kind]))])
            if mirror is not None and rng.random() < 0.5:
                crop, target = np.ascontiguousarray(crop[:, ::-1]), (target * [-1, 1])[mirror]
            if self.kind == "mouth" and rng.random() < RECOLOURED:
                crop = recolour(crop, target, rng)
            if rng.random() < 0.1:
                crop = augment.occlude(crop, rng)
            crops.append(augment.photograph(crop, rng, coarsest=0.4))
            targets.append(target)
        return to_pixels(np.stack(crops)), torch.from_numpy(np.stack(targets).astype(np.float32))


def mirror_order(kind: str) -> np.ndarray | None:
    """For each point, the one whose place it takes in a mirrored crop; None for an eye, which is not mirrored."""
    if kind != "mouth":
        return None
    order = []
    for ring in (
        points.OUTER_LIPS,
        points.INNER_LIPS,
    ):  # both run from the right corner below to the left, and back above
        below, above = [*range(1, 10)], [*range(11, 20)]
        turned = [10, *below[::-1], 0, *above[::-1]]
        order += [row + len(order) // 20 * 20 for row in turned]
        assert len(ring) == 20
    return np.array(order)


def start(kind: str, faces: data.Faces) -> RegionNet:
    net = RegionNet(len(KINDS[kind][0].points))
    region = KINDS[kind][0]
    mean = align.apply(regions.aim(region, faces.landmarks), faces.landmarks[:, list(region.points), :2]).mean(0)
    with torch.no_grad():
        net.points.weight.mul_(0.3)
        net.points.bias.copy_(torch.from_numpy(mean.reshape(-1).astype(np.float32)))
    return net


def loss(net: RegionNet, meet: Tensor, pixels: Tensor, target: Tensor) -> Tensor:
    guess = net(pixels)
    opening = distance((guess[:, meet[:, 0]] - guess[:, meet[:, 1]]) - (target[:, meet[:, 0]] - target[:, meet[:, 1]]))
    return distance(guess - target).mean() + opening.mean()


@torch.no_grad()
def figures(net: RegionNet, kind: str, held: data.Faces, warped: data.Faces) -> dict[str, float]:
    """Held-out errors as for the landmark net, from crops aimed with realistic errors."""
    result = {}
    for name, faces in (("", held), ("warped_", warped)):
        crops = Crops(faces, kind, seed=7)
        guess, target = faces.landmarks.copy(), faces.landmarks
        for region in KINDS[kind]:
            made = [crops.one(i, region) for i in range(len(target))]
            read = net(to_pixels(np.stack([crop for crop, _ in made]))).numpy()
            truth = np.stack([marks for _, marks in made])
            back = align.invert(
                align.fit(target[:, list(region.points), :2] * ([-1, 1] if region.mirrored else 1), truth)
            )
            found = align.apply(back, read)
            guess[:, list(region.points), :2] = found * [-1, 1] if region.mirrored else found
        keep = (
            ("lips", "lip_opening", "lip_correlation")
            if kind == "mouth"
            else ("eyes", "lid_opening", "lid_correlation")
        )
        result |= {
            f"{name}{key}": round(float(value), 3) for key, value in errors(guess, target).items() if key in keep
        }
    return result
