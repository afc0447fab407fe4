"""Measure how sharp the inside of a drawn mouth is, against the eyes of the same picture; prints one line of JSON.

    python -m benchmarks.teeth [--data ../shared/data] [--people 24] [--side 1080]

Held-out people of the training data's folder of faces, enlarged to the side, say a and i. The energy is the mean
squared gradient of the brightness, in the opening between the lips and in the opening of the eyes. Printed are ratios
of mouth to eyes (10th, 50th and 90th percentile of the people) for the drawn mouths and, for comparison, for the
photos' own open mouths.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from benchmarks.contact_sheet import SOUNDS, motion_of
from sonic_core.engines.lite.landmarks import (
    LEFT_LOWER_LID,
    LEFT_UPPER_LID,
    LOWER_INNER,
    RIGHT_LOWER_LID,
    RIGHT_UPPER_LID,
    UPPER_INNER,
)
from sonic_core.engines.lite.layout import ARTICULATION, LIFE
from sonic_core.engines.lite.lip_edges import LipEdges
from sonic_core.engines.lite.renderer import Renderer
from sonic_core.face.detect import Face
from sonic_core.face.framing import Portrait
from sonic_core.face.points import CHIN, FOREHEAD
from training.face import data

SAID = ("a", "i")
EYES = ((LEFT_UPPER_LID, LEFT_LOWER_LID), (RIGHT_UPPER_LID, RIGHT_LOWER_LID))
OPEN = 0.02  # face heights; a photo whose mouth is less open shows no teeth to compare with


def energy(picture: np.ndarray, outlines: list[np.ndarray]) -> float:
    """Mean squared gradient, per px^2, of an RGB picture inside outlines (m, 2); 0 if they are too small."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    dx, dy = (cv2.Sobel(grey, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    mask = np.zeros(grey.shape, np.uint8)
    for outline in outlines:
        cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
    inside = cv2.erode(mask, np.ones((3, 3), np.uint8)) > 0
    return float((dx**2 + dy**2)[inside].mean()) if inside.sum() >= 50 else 0.0


def ratios(image: np.ndarray, landmarks: np.ndarray) -> dict[str, float]:
    """The ratio of mouth to eyes for each sound in SAID and, if it is open, for the photo's own mouth."""
    renderer = Renderer(Portrait(image, Face((0, 0, 1, 1), landmarks, 1.0)))
    eyes = energy(image, [np.concatenate([landmarks[upper], landmarks[lower][::-1]])[:, :2] for upper, lower in EYES])
    mouths = {}
    for sound in SAID:
        row = motion_of(SOUNDS[sound], 0)
        row[LIFE], row[ARTICULATION] = 0, 0
        lips = renderer.moved(row).mouth.lips
        mouths[sound] = energy(renderer.frame(row), [np.concatenate([lips.upper, lips.lower[::-1]])])
    points = LipEdges.load().refine(image, landmarks[:, :2])
    gap = np.linalg.norm(points[UPPER_INNER] - points[LOWER_INNER], axis=1).max()
    if gap > OPEN * np.linalg.norm(points[FOREHEAD] - points[CHIN]):
        mouths["photo"] = energy(image, [np.concatenate([points[UPPER_INNER], points[LOWER_INNER][::-1]])])
    return {name: mouth / eyes for name, mouth in mouths.items() if mouth and eyes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--side", type=int, default=1080)
    args = parser.parse_args()
    found: dict[str, list[float]] = {}
    for image, landmarks in data.held_out_people(args.data / "faces", args.people, args.side):
        for name, ratio in ratios(image, landmarks).items():
            found.setdefault(name, []).append(ratio)
    tenths = {name: [round(float(x), 2) for x in np.percentile(ratio, [10, 50, 90])] for name, ratio in found.items()}
    print(json.dumps({"people": args.people} | tenths))


if __name__ == "__main__":
    main()
