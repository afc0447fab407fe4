"""Processor time of a finished frame, drawing and encoding included, beside other versions of this repository.

    python -m benchmarks.finished_frame [--against CHECKOUT ...] [--sides 512 1080] [--frames 100] [--busy]

Every version draws and encodes the same frames in a process of its own, in turn, --rounds times: what else runs on the
machine slows all of them down alike, and the least of each counts. Printed are milliseconds of user and system time a
frame, one JSON line for each size and version: `drawn`, `finished` (drawn, converted and encoded), and `built`, the
renderer and its first frame. The motion is that of the sample's speech; with --busy everything moves all the time, as
in `benchmarks/renderer.py`.

0.1.0 is commit 5e00872: `git worktree add --detach ../v010 5e00872`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).resolve().parents[1]
PORTRAIT, SPEECH = HERE / "web" / "samples" / "sonic_portrait.jpg", HERE / "web" / "samples" / "sonic_speech.flac"


def speech_motion() -> np.ndarray:
    """(n, 27) motion of the sample's speech."""
    from sonic_core.engines.lite.engine import LiteEngine
    from sonic_core.face.detect import FaceDetector
    from sonic_core.face.framing import Portrait
    from sonic_core.media.audio import load_audio, speech_waveform
    from sonic_core.settings import Settings

    photo, settings = picture(512), Settings(seed=0)
    portrait = Portrait(photo, FaceDetector().pick(photo))
    engine = LiteEngine.load()
    conditions = engine.condition(portrait, speech_waveform(load_audio(SPEECH), 16_000), settings)
    return engine.sample(conditions, settings).values.numpy()


def picture(side: int) -> np.ndarray:
    """uint8 RGB (side, side, 3) the sample portrait."""
    photo = cv2.imread(str(PORTRAIT))[..., ::-1]
    return np.ascontiguousarray(cv2.resize(photo, (side, side), interpolation=cv2.INTER_CUBIC))


def processor_time(work: Callable[[], object]) -> float:
    """Seconds of user and system time, all threads of this process together."""
    start = time.process_time()
    work()
    return time.process_time() - start


def serve(side: int, motion: np.ndarray) -> None:
    """One version: measures once for every line that comes in. It runs in old checkouts, too."""
    from sonic_core.clip import Clip
    from sonic_core.engines.lite.renderer import Renderer
    from sonic_core.face.detect import FaceDetector
    from sonic_core.media.video import save_video

    try:
        from sonic_core.face.framing import Portrait
    except ImportError:  # where 0.1.0 has it
        from sonic_core.engines.base import Portrait
    image, milliseconds = picture(side), 1000 / len(motion)
    portrait = Portrait(image, FaceDetector().pick(image))
    with tempfile.TemporaryDirectory() as folder:
        renderer = Renderer(portrait)
        clip = Clip(side, side, len(motion), Fraction(25), lambda: renderer.chunks(motion))
        for _ in sys.stdin:
            built = processor_time(lambda: Renderer(portrait).frame(motion[0]))
            drawn = processor_time(lambda: [renderer.frame(row) for row in motion])
            finished = processor_time(lambda: save_video(clip, Path(folder) / "frames.mp4"))
            figures = {"drawn": milliseconds * drawn, "finished": milliseconds * finished, "built": 1000 * built}
            print(json.dumps(figures), flush=True)


def started(checkout: Path, side: int, motion: Path) -> subprocess.Popen[str]:
    """A process that serves a checkout's version."""
    command = [sys.executable, str(Path(__file__).resolve()), "--serve", str(side), str(motion)]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    return subprocess.Popen(
        command, cwd=checkout, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def compare(checkouts: list[Path], side: int, motion: Path, rounds: int) -> list[dict[str, float]]:
    """The least figures of every version."""
    versions = [started(checkout, side, motion) for checkout in checkouts]
    found: list[list[dict[str, float]]] = [[] for _ in versions]
    for _ in range(rounds):
        for version, figures in zip(versions, found, strict=True):
            assert version.stdin is not None and version.stdout is not None
            version.stdin.write("\n")
            version.stdin.flush()
            figures.append(json.loads(version.stdout.readline()))
    for version in versions:
        version.communicate()
    return [{name: min(figure[name] for figure in figures) for name in figures[0]} for figures in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--against", type=Path, nargs="*", default=[])
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 1080])
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(int(args.serve[0]), np.load(args.serve[1]))
        return
    from benchmarks.renderer import busy_motion

    checkouts = [HERE, *(path.resolve() for path in args.against)]
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "motion.npy"
        np.save(rows, (busy_motion(args.frames) if args.busy else speech_motion())[: args.frames])
        for side in args.sides:
            for checkout, figures in zip(checkouts, compare(checkouts, side, rows, args.rounds), strict=True):
                rounded = {name: round(value, 1) for name, value in figures.items()}
                print(json.dumps({"side": side, "version": checkout.name, **rounded}), flush=True)


if __name__ == "__main__":
    main()
