"""The face crops, their landmarks, and which identities are held out.

Reads `faces/` (256 px crops and landmarks.npz) and nothing else. Everything is kept in memory as uint8. Held out are
10 % of the identities, chosen by a hash of the name, so that a face never moves from one side to the other. The
London set shows most people twice (neutral and smiling); both pictures go to the same side, and its ten extra
pictures, which may show the same people again, are left out. GRID is one speaker and is trained on.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

LONDON_FIRST_NEUTRAL, LONDON_PEOPLE = 549, 102  # 549..650 neutral, 651..752 the same people smiling
LONDON_EXTRA = range(535, 545)  # further pictures of people among them


@dataclass
class Faces:
    images: np.ndarray  # (n, 256, 256, 3) uint8 RGB
    landmarks: np.ndarray  # (n, 478, 3) float32, crop pixels
    identity: np.ndarray  # (n,) str
    weight: np.ndarray  # (n,) float32, how often each is drawn

    def subset(self, keep: np.ndarray) -> Faces:
        return Faces(self.images[keep], self.landmarks[keep], self.identity[keep], self.weight[keep])


def identity_of(name: str) -> str:
    """A name for the person in a picture; empty for pictures that are not used."""
    source, number = Path(name).stem.rsplit("_", 1)
    if source.startswith("grid"):
        return source
    if source.startswith("london") and int(number) in LONDON_EXTRA:
        return ""
    if source.startswith("london") and int(number) >= LONDON_FIRST_NEUTRAL:
        return f"london_{(int(number) - LONDON_FIRST_NEUTRAL) % LONDON_PEOPLE}"
    return f"{source}_{number}"


def is_held_out(identity: str) -> bool:
    return not identity.startswith("grid") and zlib.crc32(identity.encode()) % 10 == 0


def load(folder: Path) -> Faces:
    table = np.load(folder / "landmarks.npz")
    names = [str(name) for name in table["names"]]
    keep = [i for i, name in enumerate(names) if identity_of(name) != ""]
    names = [names[i] for i in keep]
    images = np.stack([cv2.imread(str(folder / name))[..., ::-1] for name in names])
    identity = np.array([identity_of(name) for name in names])
    # 1,000 frames of one man must not outweigh the 950 others
    weight = np.array([0.25 if person.startswith("grid") else 1.0 for person in identity], np.float32)
    return Faces(images, table["landmarks"][keep].astype(np.float32), identity, weight)


def split(faces: Faces) -> tuple[Faces, Faces]:
    held = np.array([is_held_out(person) for person in faces.identity])
    return faces.subset(~held), faces.subset(held)


def held_out_people(folder: Path, count: int, side: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`count` of the held-out faces, evenly chosen: uint8 (side, side, 3), and landmarks (478, 3) in its pixels."""
    _, held = split(load(folder))
    for index in np.linspace(0, len(held.images) - 1, count).astype(int):
        image = held.images[index]
        scale = np.float32(side / image.shape[0])
        yield cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC), held.landmarks[index] * scale


def joined(*parts: Faces) -> Faces:
    return Faces(*(np.concatenate([getattr(part, key) for part in parts]) for key in vars(parts[0])))
