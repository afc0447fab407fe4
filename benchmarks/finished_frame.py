"""Measure the processor time of a finished frame, drawing and encoding included; prints one line of JSON.

    python -m benchmarks.finished_frame [--motion rows.npy] [--portrait P] [--sides 512 1080] [--frames 100]

To compare two checkouts, run it in one after the other. The fastest of three runs counts, since other programs may be
busy. Without --motion everything moves all the time, as in `benchmarks/renderer.py`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from benchmarks.renderer import busy_motion
from sonic_core.clip import Clip
from sonic_core.engines.lite.renderer import Renderer
from sonic_core.face.detect import FaceDetector
from sonic_core.face.framing import Portrait
from sonic_core.media.video import save_video

PORTRAIT = Path(__file__).parent.parent / "web" / "samples" / "sonic_portrait.jpg"


def milliseconds(image: np.ndarray, motion: np.ndarray) -> dict[str, float]:
    """Milliseconds of processor time to draw a frame, to draw and encode one, and to build the renderer."""
    portrait = Portrait(image, FaceDetector().pick(image))
    start = time.process_time()
    renderer = Renderer(portrait)
    built = time.process_time() - start
    side = image.shape[0]
    drawn, finished = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(3):
            start = time.process_time()
            for row in motion:
                renderer.frame(row)
            drawn.append(time.process_time() - start)
            clip = Clip(side, side, len(motion), Fraction(25), lambda: renderer.chunks(motion))
            start = time.process_time()
            save_video(clip, Path(folder) / "frames.mp4")
            finished.append(time.process_time() - start)
    per = 1000 / len(motion)
    return {
        "drawn": round(per * min(drawn), 1),
        "finished": round(per * min(finished), 1),
        "build": round(1000 * built),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--motion", type=Path)
    parser.add_argument("--portrait", type=Path, default=PORTRAIT)
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 1080])
    parser.add_argument("--frames", type=int, default=100)
    args = parser.parse_args()
    photo = cv2.imread(str(args.portrait))[..., ::-1]
    motion = (np.load(args.motion) if args.motion else busy_motion(args.frames))[: args.frames]
    figures = {
        side: milliseconds(np.ascontiguousarray(cv2.resize(photo, (side, side), interpolation=cv2.INTER_CUBIC)), motion)
        for side in args.sides
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
