"""Measure how fast and how accurate the face nets are; prints one line of JSON.

    python -m benchmarks.face [--data ../shared/data]

The speed is the median of 20 calls on two threads, on a 1024 px picture of the sample portrait. With the training data,
accuracy is measured on the held-out tenth of the people, whom the whole detector must find in their 256 px crops and in
larger scenes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from sonic_core.face.detect import FaceDetector
from training.face import data, detector, landmarks

PORTRAIT = Path(__file__).parent.parent / "web" / "samples" / "sonic_portrait.jpg"


def milliseconds(work: Callable[[], object], times: int = 20) -> float:
    work()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return round(1000 * float(np.median(taken)), 1)


def speed(faces: FaceDetector) -> dict[str, float]:
    photo = cv2.resize(cv2.imread(str(PORTRAIT))[..., ::-1], (1024, 1024), interpolation=cv2.INTER_CUBIC)
    photo = np.ascontiguousarray(photo)
    face = faces.pick(photo)
    frames = [photo] * 25
    return {
        "detect_1024_ms": milliseconds(lambda: faces.detect(photo)),
        "track_ms": milliseconds(lambda: faces.track(photo, face)),
        "track_25_frames_ms": milliseconds(lambda: faces.track_all(frames, face), 5),
    }


def accuracy(faces: FaceDetector, folder: Path) -> dict[str, float]:
    """Errors of `detect` on held-out crops, and recall and false alarms on scenes made of them."""
    _, held = data.split(data.load(folder / "faces"))
    found = [faces.detect(image) for image in held.images]
    hit = np.array([len(f) > 0 for f in found])
    guess = np.stack([f[0].landmarks for f in found if f])
    figures = {"held_out": len(hit), "found": float(hit.mean()), **landmarks.errors(guess, held.landmarks[hit])}
    scenes = detector.Scenes(held, seed=11)
    truths = matched = alarms = 0
    for _ in range(300):
        image, truth = scenes.scene()
        boxes = np.array([face.box for face in faces.detect(image)]).reshape(-1, 2, 2)
        sizes = np.sqrt(np.prod(truth[:, 1] - truth[:, 0], axis=-1))
        gaps = np.linalg.norm(boxes.mean(1)[:, None] - truth[:, :2].mean(1)[None], axis=-1) / np.maximum(sizes, 1)
        truths += len(truth)
        matched += int((gaps.min(0) < 0.25).sum()) if len(boxes) else 0
        alarms += int((gaps.min(1) > 0.4).sum()) if len(truth) else len(boxes)
    return figures | {"scene_recall": matched / truths, "scene_false_alarms": alarms / 300}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(2)
    faces = FaceDetector()
    figures = speed(faces)
    if args.data:
        figures |= accuracy(faces, args.data)
    print(json.dumps({key: round(float(value), 3) for key, value in figures.items()}))


if __name__ == "__main__":
    main()
