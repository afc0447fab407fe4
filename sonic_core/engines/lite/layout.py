"""What the lite engine's motion latents mean, channel by channel.

A motion latent is one row per video frame at 25 fps. The ears and the diffusion of the rest of the face make these
rows, the renderer reads them; they know only this file of each other. Channels are in the units below, not normalised.

The mouth channels are coordinates in a basis of lower-face shapes (lips, jaw, cheeks; symmetric) measured on real
speech by `training/mouth_basis.py`. Zero is the mouth at rest with the lips closed, one is one standard deviation
in speech, so an opening is absolute: it does not add to whatever the photo's mouth does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from sonic_core.face.points import CHIN, FOREHEAD, LIP_PAIRS

FPS = 25

MOUTH_CHANNELS = 12
MOUTH = slice(0, 12)
HEAD_ROTATION = slice(12, 15)  # yaw, pitch, roll in degrees, relative to the photo
HEAD_TRANSLATION = slice(15, 18)  # x (right), y (down), z (away), in face heights (forehead 10 to chin 152)
LIDS = slice(18, 20)  # left, right: 0 as in the photo, 1 shut
GAZE = slice(20, 22)  # horizontal (+ to the viewer's right), vertical (+ up), roughly [-1, 1], 0 as in the photo
BROWS = slice(22, 24)  # inner brows raised, brows lowered: 0 as in the photo, 1 strongly
LIFE = slice(12, 24)  # what does not follow from the words
# What the basis cannot show, each from 0 to 1; the mouth's own channels already close, narrow and open with it.
PRESS = 24  # lips pressed together (m p b)
TEETH = 25  # lower lip at the upper teeth (f v)
TONGUE = 26  # tip of the tongue at or behind the upper teeth (th l)
ARTICULATION = slice(24, 27)
CHANNELS = 27
# Not motion, but the mood it is drawn in (mood.py): corners of the mouth up (1) or down (-1).
CORNERS = 27
DRAWN_CHANNELS = 28

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class MouthBasis:
    """Lower-face shapes in the canonical face frame.

    The frame is frontal: x to the viewer's right, y down, z away from the viewer; the face is symmetric about
    x = 0 and about 3.1 units high (forehead 10 to chin 152). Points are MediaPipe's 478 face landmarks.
    """

    rest: np.ndarray  # (478, 3) the average rest face, lips closed
    components: np.ndarray  # (12, 478, 3) displacement for one unit of each coefficient
    inverse: np.ndarray  # (12, 1434) from a flattened displacement to its coefficients, lips weighted most

    @staticmethod
    def load(path: Path = WEIGHTS / "mouth_basis.safetensors") -> MouthBasis:
        tensors = load_file(path)
        return MouthBasis(tensors["rest"], tensors["components"], tensors["inverse"])

    def displacement(self, coefficients: np.ndarray) -> np.ndarray:
        """(n, 12) -> (n, 478, 3) canonical displacement from `rest`."""
        return np.einsum("nk,kpc->npc", coefficients, self.components).astype(np.float32)

    def openings(self, coefficients: np.ndarray) -> np.ndarray:
        """(n, 12) -> (n,) distance of the inner lips, the mean over LIP_PAIRS, in heights of the resting face."""
        upper, lower = np.array(LIP_PAIRS).T
        rest = (self.rest[lower] - self.rest[upper])[:, :2]
        apart = rest + np.einsum(
            "nk,kpc->npc", coefficients, (self.components[:, lower] - self.components[:, upper])[..., :2]
        )
        height = np.linalg.norm((self.rest[FOREHEAD] - self.rest[CHIN])[:2])
        return np.linalg.norm(apart, axis=-1).mean(-1) / height

    def coefficients(self, displacement: np.ndarray) -> np.ndarray:
        """(n, 478, 3) canonical displacement from rest -> (n, 12); the inverse of `displacement`."""
        return (displacement.reshape(len(displacement), -1) @ self.inverse.T).astype(np.float32)
