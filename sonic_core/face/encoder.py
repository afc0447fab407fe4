"""A small identity embedding: 64 numbers that change little with the light, expression and pose of a face.

This is not face recognition. The net was trained contrastively on 763 people, most with one photo each, so "the same
person" mostly means two strong augmentations and warped expressions of one photo; hair and light leak in. On 79 people
it never saw, the equal error rate between different augmentations is 4.9 %, and the partner ranks first among all 79 in
87 % of cases. That is enough to follow people through a video (`dub.people`), and not enough to tell who somebody is.
`training/face` has the recipe.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from sonic_core.face import align, points
from sonic_core.face.detect import WEIGHTS, Face, load_weights, to_pixels
from sonic_core.face.nets import IDENTITY_INPUT, IdentityNet
from sonic_core.threads import one_thread

RIGID = list(points.RIGID)


class FaceEncoder:
    """The identity net, loaded once."""

    def __init__(self, folder: Path = WEIGHTS) -> None:
        tables = load_file(folder / "identity.safetensors")
        self._standard = align.apply(align.unit_to_pixels(IDENTITY_INPUT), tables.pop("standard").float().numpy())
        self._net = load_weights(IdentityNet(), tables)

    def encode(self, image: np.ndarray, face: Face) -> np.ndarray:
        """The embedding (64,) float32, unit length, of a face in image (h, w, 3) uint8. Compare by dot product."""
        return self.encode_all([image], [face])[0]

    @one_thread()
    def encode_all(self, images: Sequence[np.ndarray], faces: Sequence[Face]) -> np.ndarray:
        """One face of each of n images, all at once: (n, 64)."""
        target = self._standard[RIGID, :2]
        aims = [align.fit(face.landmarks[RIGID, :2].astype(np.float64), target) for face in faces]
        crops = [align.cut(image, aim, IDENTITY_INPUT) for image, aim in zip(images, aims, strict=True)]
        with torch.inference_mode():
            return self._net(to_pixels(np.stack(crops))).numpy()
