"""Count the faces that are found without a box where it is hard: rolled photos, drawings and stone; prints JSON.

    python -m benchmarks.hard_faces [--data ../shared/data] [--people 40]

The people are held out: no net was trained on them. Their photos are laid on a larger picture of their own edge colour
and rolled, or made into a drawing of few flat colours, a pencil drawing, or a face of grey stone without irises. A face
counts as found where the nearest of the landmarks' middles lies within a tenth of the face's height of the true one.
Nobody in the data is a child, so children are not measured.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from benchmarks.contact_sheet import drawn
from sonic_core.face.detect import FaceDetector
from sonic_core.face.points import CHIN, FOREHEAD, LEFT_EYE, RIGHT_EYE
from training.face import data

SIDE = 400  # px of the picture that a rolled photo of 256 px lies on
ROLLS = (0, 45, 90, 135, 180, 225, 270, 315)


def rolled(degrees: float) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """What rolls a photo (h, w, 3) and its landmarks (478, 2) clockwise."""

    def roll(photo: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        turn = cv2.getRotationMatrix2D((photo.shape[1] / 2, photo.shape[0] / 2), -degrees, 1.0)
        turn[:, 2] += (SIDE - np.array(photo.shape[1::-1])) / 2
        picture = cv2.warpAffine(photo, turn, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return picture, points @ turn[:, :2].T + turn[:, 2]

    return roll


def pencil(photo: np.ndarray) -> np.ndarray:
    """Grey lines on white paper."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    lines = cv2.divide(grey, cv2.max(cv2.GaussianBlur(grey, (0, 0), 4), 1), scale=255)
    return cv2.cvtColor(lines, cv2.COLOR_GRAY2RGB)


def stone(photo: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Grey, of little contrast, the eyes blank."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    for eye in (RIGHT_EYE, LEFT_EYE):
        outline = cv2.convexHull(points[list(eye)].astype(np.int32))
        grey = cv2.fillPoly(grey, [outline], float(np.median(grey)))
    grey = (90 + 0.5 * cv2.GaussianBlur(grey, (0, 0), 0.8)).astype(np.uint8)
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--people", type=int, default=40)
    args = parser.parse_args()
    kinds: dict[str, Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
        **{f"rolled {degrees}": rolled(degrees) for degrees in ROLLS},
        "flat colours": lambda photo, points: (drawn(photo), points),
        "pencil": lambda photo, points: (pencil(photo), points),
        "stone": lambda photo, points: (stone(photo, points), points),
    }
    detector, found = FaceDetector(), dict.fromkeys(kinds, 0)
    for photo, landmarks in data.held_out_people(args.data / "faces", args.people, 256):
        height = np.linalg.norm(landmarks[FOREHEAD, :2] - landmarks[CHIN, :2])
        for kind, change in kinds.items():
            picture, points = change(photo, landmarks[:, :2])
            gaps = [
                np.linalg.norm(face.landmarks[:, :2].mean(0) - points.mean(0))
                for face in detector.detect(np.ascontiguousarray(picture))
            ]
            found[kind] += min(gaps, default=np.inf) < 0.1 * height
    print(json.dumps({"people": args.people, **{kind: int(count) for kind, count in found.items()}}))


if __name__ == "__main__":
    main()
