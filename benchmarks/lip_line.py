"""Measure the line between closed lips: in photos, and where an open smile was closed. Prints one line of JSON.

    python -m benchmarks.lip_line [--data ../shared/data] [--photos 171] [--smiles 24]

Half-way along the mouth, the darkest place near the line is compared with the lips either side of it: `depth` is the
median of that ratio in red, green and blue, `width` the median width in face heights in which green is nearer to its
darkest than to the lips. Speech closes the smiles at 512 px.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from sonic_core.engines.lite.landmarks import LOWER_INNER, UPPER_INNER
from sonic_core.engines.lite.layout import CHANNELS, PRESS
from sonic_core.engines.lite.lip_edges import LipEdges
from sonic_core.engines.lite.renderer import Renderer
from sonic_core.engines.lite.warp import look_up
from sonic_core.face.detect import Face
from sonic_core.face.framing import Portrait
from sonic_core.face.points import CHIN, FOREHEAD

SIDE = 512
CLOSED, SMILE = 0.008, 0.03  # openings in face heights
ACROSS = np.linspace(-0.04, 0.04, 65)  # face heights from the line
DARKEST, LIPS = np.abs(ACROSS) <= 0.012, (np.abs(ACROSS) > 0.022) & (np.abs(ACROSS) < 0.032)


def photos(data: Path) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """The photo, uint8 RGB, its (478, 3) landmarks, and how far its mouth is open in face heights, in random order."""
    known = np.load(data / "faces" / "landmarks.npz")
    for index in np.random.default_rng(0).permutation(len(known["names"])):
        name, points = str(known["names"][index]), known["landmarks"][index].astype(np.float32)
        if name.startswith("grid"):
            continue
        picture = cv2.imread(str(data / "faces" / name))[..., ::-1]
        scale = SIDE / picture.shape[0]
        image = np.ascontiguousarray(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_LANCZOS4))
        down = _down(points)
        gap = ((points[LOWER_INNER] - points[UPPER_INNER])[:, :2] @ down).max() / (np.linalg.norm(down) ** 2)
        yield image, points * scale, float(gap)


def _down(points: np.ndarray) -> np.ndarray:
    """(2,) px from forehead to chin."""
    return points[CHIN, :2] - points[FOREHEAD, :2]


def line_of(image: np.ndarray, upper: np.ndarray, lower: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, float]:
    """(3,) the line's colour over that of the lips, and its width, between edges (m, 2) px; `down` as in `_down`."""
    middle = (upper[len(upper) // 2] + lower[len(lower) // 2]) / 2
    colours = look_up(image, (middle + ACROSS[:, None] * down)[:, None].astype(np.float32))[:, 0].astype(float)
    relative = colours / np.maximum(colours[LIPS].mean(0), 5)
    darkest = relative[DARKEST][relative[DARKEST].sum(1).argmin()]
    near = DARKEST & (relative[:, 1] < (1 + darkest[1]) / 2)
    return darkest, float(near.sum() * (ACROSS[1] - ACROSS[0]))


def median_of(found: list[tuple[np.ndarray, float]]) -> dict[str, object]:
    depths, widths = zip(*found, strict=True)
    return {
        "mouths": len(found),
        "depth": np.median(depths, 0).round(2).tolist(),
        "width": round(float(np.median(widths)), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--photos", type=int, default=171)
    parser.add_argument("--smiles", type=int, default=24)
    args = parser.parse_args()
    edges, closed, drawn = LipEdges.load(), [], []
    row = np.zeros(CHANNELS, np.float32)
    row[PRESS] = 1
    for image, points, gap in photos(args.data):
        if gap < CLOSED and len(closed) < args.photos:
            refined = edges.refine(image, points[:, :2])
            closed.append(line_of(image, refined[UPPER_INNER], refined[LOWER_INNER], _down(points)))
        if gap > SMILE and len(drawn) < args.smiles:
            renderer = Renderer(Portrait(image, Face((0, 0, 1, 1), points, 1.0)))
            moved = renderer.moved(row).mouth
            if moved is not None:
                lips = moved.lips
                sides = [lips.places[:, None] * lips.across + height[:, None] * lips.down
                         for height in (lips.upper_height, lips.lower_height)]  # fmt: skip
                drawn.append(line_of(renderer.frame(row), *sides, _down(points)))
        if len(closed) >= args.photos and len(drawn) >= args.smiles:
            break
    print(json.dumps({"photos": median_of(closed), "closed smiles": median_of(drawn)}))


if __name__ == "__main__":
    main()
