"""Measure how much of a face stays itself while it speaks: the structural similarity of `evaluate`, of the upper face.

    python -m benchmarks.identity [--data ../shared/data] [--people 20] [--side 384]

One JSON line: the mean over people nobody trained on and motions of speech (mouth, small turns, no blinks), and the
tenth of the frames that are least like their photo. Run it in two checkouts to compare them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from sonic_core.engines.lite.layout import CHANNELS, HEAD_ROTATION, MOUTH
from sonic_core.engines.lite.renderer import Renderer
from sonic_core.face.detect import Face, FaceDetector
from sonic_core.face.framing import Portrait
from sonic_core.quality.report import aligned_face, upper_face_ssim
from training.face import data

MOTIONS = 4  # a person


def spoken(rng: np.random.Generator) -> np.ndarray:
    """(27,) motion of a frame of speech, with a random mouth and a head turned as talking people turn it."""
    row = np.zeros(CHANNELS, np.float32)
    row[MOUTH] = rng.normal(0, 1, 12)
    row[MOUTH.start] = abs(row[MOUTH.start]) * 1.5
    row[HEAD_ROTATION] = rng.normal(0, 2.7, 3)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--side", type=int, default=384)
    args = parser.parse_args()
    rng, detector, found = np.random.default_rng(0), FaceDetector(), []
    for image, landmarks in data.held_out_people(args.data / "faces", args.people, args.side):
        face = Face((0, 0, 1, 1), landmarks, 1.0)
        wanted = aligned_face(image, landmarks)
        renderer = Renderer(Portrait(image, face))
        for _ in range(MOTIONS):
            frame = renderer.frame(spoken(rng))
            seen = detector.track(frame, face).landmarks
            found.append(upper_face_ssim(aligned_face(frame, seen), wanted))
    figures = {"frames": len(found), "mean": float(np.mean(found)), "least_tenth": float(np.percentile(found, 10))}
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
