"""Make the lite engine's basis of mouth shapes from tracked speech (GRID, speaker 1, CC BY 4.0).

    python -m training.mouth_basis --data ../shared/data [--out sonic_core/engines/lite/weights]

The tracked faces are turned to the front, made symmetric (the speaker sat at a slight angle) and reduced to the lower
face; their principal components about the mouth at rest are the basis. The last 60 clips are held out, here as
everywhere.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from sonic_core.engines.lite.layout import MOUTH_CHANNELS, MouthBasis
from sonic_core.face.points import CHIN, FOREHEAD, INNER_LIPS, OUTER_LIPS
from training.learning import save_weights

HELD_OUT_CLIPS = 60
UPPER_INNER_LIP, LOWER_INNER_LIP = 13, 14
# The outlines of the lips, the part of the face whose shape is heard.
LIPS = [*OUTER_LIPS, *INNER_LIPS]


def rigid_fit(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and translation with `source @ r + t` nearest to `target`; both (n, 3)."""
    a, b = source.mean(0), target.mean(0)
    u, _, vt = np.linalg.svd((source - a).T @ (target - b))
    sign = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    r = u @ sign @ vt
    return r, b - a @ r


def mirror_indices(faces: np.ndarray) -> np.ndarray:
    """The index (478,) of each landmark's mirror image, found on the average of faces (n, 478, 3).

    Raises RuntimeError if that average is not symmetric enough.
    """
    flat = faces - faces.mean(1, keepdims=True)
    flat /= np.sqrt((flat**2).sum((1, 2), keepdims=True) / flat.shape[1])
    average = flat[0]
    for _ in range(3):
        average = np.mean([face @ rigid_fit(face, average)[0] for face in flat], axis=0)
    # Ears, temples, jaw angles, eyes and lip corners are pairs known by name; they turn the average face upright.
    left, right = [234, 127, 172, 33, 61], [454, 356, 397, 263, 291]
    average = average @ turn_onto_x((average[right] - average[left]).sum(0))
    average = average - [average[left + right, 0].mean(), 0, 0]
    mirrored = average * [-1, 1, 1]
    distance = ((average[:, None] - mirrored[None]) ** 2).sum(-1)
    index = linear_sum_assignment(distance)[1]
    if not (index[index] == np.arange(478)).all():
        raise RuntimeError("the average face is not symmetric enough to pair its landmarks")
    return index


def turn_onto_x(axis: np.ndarray) -> np.ndarray:
    """The smallest rotation r (3, 3) for which `axis @ r` lies along x."""
    axis = axis / np.linalg.norm(axis)
    cross = np.cross(axis, [1, 0, 0])
    k = np.array([[0, -cross[2], cross[1]], [cross[2], 0, -cross[0]], [-cross[1], cross[0], 0]])
    return (np.eye(3) + k + k @ k / (1 + axis[0])).T


def to_front(shape: np.ndarray, mirror: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rotation (3, 3) and offset (3,) with `shape @ r + t` frontal and centred on x = 0."""
    across = shape - shape[mirror]
    across *= np.sign(across[:, :1])
    r = turn_onto_x(across.sum(0))
    middle = ((shape + shape[mirror]) / 2 @ r)[:, 0].mean()
    return r, np.array([-middle, 0, 0])


def symmetric(shapes: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """The symmetric part of (n, 478, 3) shapes or displacements."""
    return (shapes + shapes[:, mirror] * np.float32([-1, 1, 1])) / 2


def frontal_landmarks(data: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """GRID's tracked landmarks (N, 478, 3), frontal and symmetric, the lengths (989,) and the names of the clips."""
    faces = np.load(data / "faces" / "landmarks.npz")["landmarks"].astype(np.float64)
    mirror = mirror_indices(faces)
    grid = np.load(data / "grid_s1" / "motion.npz")
    mean, basis = grid["mean"].astype(np.float64), grid["basis"].astype(np.float64)
    r, t = to_front(mean, mirror)
    mean_front, basis_front = mean @ r + t, basis @ r
    mean_front = symmetric(mean_front[None], mirror)[0].astype(np.float32)
    basis_front = symmetric(basis_front, mirror).astype(np.float32)
    landmarks = np.einsum("nk,kpc->npc", grid["coefficients"].astype(np.float32), basis_front)
    landmarks += mean_front
    return landmarks, grid["lengths"], [str(name) for name in grid["names"]]


def lower_face_weight(rest: np.ndarray) -> np.ndarray:
    """(478,) how far each landmark belongs to the lower face: 0 at the eyes, 1 below the nose, smooth between."""
    eyes, nose_base = rest[[145, 374], 1].mean(), rest[2, 1]
    x = np.clip((rest[:, 1] - eyes) / (nose_base - eyes), 0, 1)
    return (x * x * (3 - 2 * x)).astype(np.float32)


def make_basis(landmarks: np.ndarray, lengths: np.ndarray) -> MouthBasis:
    training = landmarks[: int(lengths[:-HELD_OUT_CLIPS].sum())]
    gap = np.linalg.norm(training[:, UPPER_INNER_LIP] - training[:, LOWER_INNER_LIP], axis=-1)
    starts = np.concatenate([[0], np.cumsum(lengths[:-HELD_OUT_CLIPS])[:-1]])
    silent = np.concatenate([starts + i for i in range(5)])  # every clip starts with a silent mouth
    closed = silent[gap[silent] <= np.quantile(gap[silent], 0.3)]
    rest = training[closed].mean(0)

    weight = lower_face_weight(rest)
    moves = (training - rest) * weight[None, :, None]
    importance = np.ones(478, np.float32)
    importance[LIPS] = 3
    scaled = (moves * importance[None, :, None]).reshape(len(moves), -1)
    average = scaled.mean(0)
    covariance = (scaled - average).T @ (scaled - average) / len(scaled)
    values, vectors = np.linalg.eigh(covariance)
    top = vectors[:, ::-1][:, :MOUTH_CHANNELS]  # (1434, 12)
    deviation = np.sqrt(values[::-1][:MOUTH_CHANNELS])
    flat_importance = np.repeat(importance, 3)
    # Eigenvectors have no sign of their own. They get those of the package's basis, which its other weights were
    # trained with; there the first opens the mouth.
    earlier = MouthBasis.load().components.reshape(MOUTH_CHANNELS, -1) * flat_importance
    top = top * np.sign((top.T * earlier).sum(1))
    components = (top * deviation).T / flat_importance
    inverse = (top / deviation).T * flat_importance
    explained = values[::-1][:MOUTH_CHANNELS].sum() / values.sum()
    print(f"{MOUTH_CHANNELS} components hold {explained:.1%} of the weighted variance; rest from {len(closed)} frames")
    return MouthBasis(
        rest.astype(np.float32),
        np.ascontiguousarray(components.reshape(MOUTH_CHANNELS, 478, 3), np.float32),
        np.ascontiguousarray(inverse, np.float32),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("sonic_core/engines/lite/weights"))
    args = parser.parse_args()
    landmarks, lengths, _ = frontal_landmarks(args.data)
    basis = make_basis(landmarks, lengths)
    save_weights(
        {name: torch.from_numpy(getattr(basis, name)) for name in ("rest", "components", "inverse")},
        args.out / "mouth_basis.safetensors",
        {"source": "GRID speaker 1, CC BY 4.0, Cooke et al. 2006"},
    )
    held_out = landmarks[int(lengths[:-HELD_OUT_CLIPS].sum()) :]
    rebuilt = basis.rest + basis.displacement(basis.coefficients(held_out - basis.rest))
    true_gap = np.linalg.norm(held_out[:, 13] - held_out[:, 14], axis=-1)
    gap = np.linalg.norm(rebuilt[:, 13] - rebuilt[:, 14], axis=-1)
    error = np.abs(true_gap - gap).mean() / np.linalg.norm(basis.rest[FOREHEAD] - basis.rest[CHIN])
    correlation = np.corrcoef(true_gap, gap)[0, 1]
    print(f"held-out lip opening: correlation {correlation:.4f}, mean error {error:.4f} of face height")


if __name__ == "__main__":
    main()
