"""Count the frames that fold; prints one line of JSON.

    python -m benchmarks.folds [--portraits 200] [--data ../shared/data]

Portraits of the training data are cropped at random, from tightly across the face to far around it, and moved by strong
random motion. A fold is a place where the map from the frame to the photo is not one-to-one, so that its Jacobian is
not positive. Only the line between the lips may tear; it is left out, as far as the mouth is drawn pixel by pixel.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from sonic_core.engines.base import Portrait
from sonic_core.engines.lite.layout import BROWS, CHANNELS, HEAD_ROTATION, HEAD_TRANSLATION, MOUTH
from sonic_core.engines.lite.renderer import Renderer
from sonic_core.face.detect import Face

FRAMES = 6  # motions a portrait


def random_portrait(images: list[Path], landmarks: np.ndarray, rng: np.random.Generator) -> Portrait:
    """A face crop padded by its own edges, turned, and cut with its face anywhere, even across an edge."""
    index = int(rng.integers(len(images)))
    picture = cv2.imread(str(images[index]))[..., ::-1]
    pad = 200
    picture = cv2.copyMakeBorder(picture, *[pad] * 4, cv2.BORDER_REPLICATE)
    marks = landmarks[index] + np.array([pad, pad, 0], np.float32)
    box = np.array([marks[:, :2].min(0), marks[:, :2].max(0)])
    height = box[1, 1] - box[0, 1]
    margins = rng.uniform(-0.12, 0.9, (2, 2)) * height * [[1], [1]]
    low, high = np.floor(box[0] - margins[0]).astype(int), np.ceil(box[1] + margins[1]).astype(int)
    low, high = np.maximum(low, 0), np.minimum(high, picture.shape[0])
    marks = marks - np.array([*low, 0], np.float32)
    face = Face((0, 0, 1, 1), marks.astype(np.float32), 1.0)
    return Portrait(np.ascontiguousarray(picture[low[1] : high[1], low[0] : high[0]]), face)


def random_motion(rng: np.random.Generator) -> np.ndarray:
    """(27,) motion stronger than speech: twice the spread of the mouth, the head anywhere within its limits."""
    row = np.zeros(CHANNELS, np.float32)
    row[MOUTH] = rng.normal(0, 1, 12) * [1.4, 1.2, 1, 1, 0.8, 0.8, 0.8, 0.6, 0.6, 0.6, 0.6, 0.6]
    row[0] = abs(row[0]) * 2
    row[HEAD_ROTATION] = rng.uniform(-14, 14, 3)
    row[HEAD_TRANSLATION] = rng.uniform(-0.12, 0.12, 3)
    row[BROWS] = rng.uniform(0, 1, 2)
    return row


def least_area(renderer: Renderer, row: np.ndarray) -> float:
    """The smallest Jacobian of the map from the frame to the photo, away from the line between the lips."""
    moved = renderer.moved(row)
    inner = tuple(slice(0, side) for side in renderer.photo[renderer.view].shape[:2])
    pixels = renderer.grid.pixels()[inner]
    places = pixels + renderer.grid.to_pixels(moved.source)[inner]
    across, down = np.diff(places, axis=1)[:-1], np.diff(places, axis=0)[:, :-1]
    area = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
    if moved.mouth is None:  # hidden: there is no line between lips
        return float(area.min())
    lips, step = moved.mouth.lips, renderer.grid.step
    around = lips.distances(pixels)
    middle = (around.is_above > 0.001) & (around.is_above < 0.999)
    beyond = 1.5 * step / max(lips.right - lips.left, 1.0)
    between = (around.across > -beyond) & (around.across < 1 + beyond)
    tear = between & (around.above > -1.5 * step) & (around.below > -1.5 * step) | (middle & between)
    return float(area[~tear[:-1, :-1]].min())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--portraits", type=int, default=200)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    args = parser.parse_args()
    table = np.load(args.data / "faces" / "landmarks.npz")
    chosen = [i for i, name in enumerate(table["names"]) if not str(name).startswith("grid")]
    images = [args.data / "faces" / str(table["names"][i]) for i in chosen]
    landmarks = table["landmarks"][chosen].astype(np.float32)
    rng = np.random.default_rng(0)
    least = []
    for _ in range(args.portraits):
        renderer = Renderer(random_portrait(images, landmarks, rng))
        least.append(min(least_area(renderer, random_motion(rng)) for _ in range(FRAMES)))
    folded = int((np.array(least) <= 0).sum())
    print(json.dumps({"portraits": len(least), "frames": len(least) * FRAMES, "folded": folded,
                      "least_area": round(min(least), 3), "median": round(float(np.median(least)), 3)}))  # fmt: skip


if __name__ == "__main__":
    main()
