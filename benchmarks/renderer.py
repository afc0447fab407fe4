"""Measure how long the lite engine's renderer takes for a frame, and to load a portrait.

    python benchmarks/renderer.py [--portrait web/samples/sonic_portrait.jpg] [--side 512] [--frames 50] [--threads 1]

The motion opens and closes the mouth, blinks, looks round and turns the head, so that no work is skipped. Prints wall
time and processor time; on a busy machine only the second means much.
"""

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sonic_core.engines.lite.layout import BROWS, CHANNELS, GAZE, HEAD_ROTATION, LIDS
from sonic_core.engines.lite.renderer import Renderer
from sonic_core.face.detect import FaceDetector
from sonic_core.face.framing import Portrait


def busy_motion(frames: int) -> np.ndarray:
    """(frames, 27) motion in which everything moves all the time."""
    phase = np.arange(frames) / 25 * 2 * np.pi
    motion = np.zeros((frames, CHANNELS), np.float32)
    motion[:, 0] = 2 - 2 * np.cos(3 * phase)
    motion[:, HEAD_ROTATION] = 4 * np.sin(phase[:, None] + [0, 1, 2])
    motion[:, LIDS] = 0.5 - 0.5 * np.cos(phase[:, None])
    motion[:, GAZE] = np.sin(phase[:, None] + [0, 1])
    motion[:, BROWS] = 0.5 + 0.5 * np.sin(phase[:, None] + [0, 2])
    return motion


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--portrait", type=Path, default=Path("web/samples/sonic_portrait.jpg"))
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    cv2.setNumThreads(args.threads)
    image = np.asarray(
        Image.open(args.portrait).convert("RGB").resize((args.side, args.side), Image.Resampling.LANCZOS)
    )
    portrait = Portrait(image, FaceDetector().pick(image))
    wall, processor = time.perf_counter(), time.process_time()
    renderer = Renderer(portrait)
    print(f"load: {time.perf_counter() - wall:.2f} s, processor {time.process_time() - processor:.2f} s")
    motion = busy_motion(args.frames)
    wall, processor = time.perf_counter(), time.process_time()
    for row in motion:
        renderer.frame(row)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(f"frame: {1000 * wall / args.frames:.1f} ms, processor {1000 * processor / args.frames:.1f} ms")


if __name__ == "__main__":
    main()
