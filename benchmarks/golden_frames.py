"""Check that a change which should only be faster draws the same: compare its frames with those of the commit before.

    python -m benchmarks.golden_frames --save frames.npz        # in a checkout of the commit before
    python -m benchmarks.golden_frames --against frames.npz     # here: one JSON line

Everything moves, as in `benchmarks/renderer.py`. Prints the least and the median peak signal-to-noise ratio of a frame
in decibels; from 45 on nobody sees a difference. A change that is meant to be seen belongs to
`benchmarks/contact_sheet.py`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from benchmarks.renderer import busy_motion
from sonic_core.engines.lite.layout import MOUTH, PRESS, TONGUE
from sonic_core.engines.lite.renderer import Renderer
from sonic_core.face.detect import FaceDetector
from sonic_core.face.framing import Portrait

PORTRAIT = Path(__file__).parent.parent / "web" / "samples" / "sonic_portrait.jpg"
SAME = 99.0  # dB, for frames without any difference


def frames(side: int, count: int) -> np.ndarray:
    """(count, side, side, 3) uint8 of the sample portrait."""
    photo = cv2.imread(str(PORTRAIT))[..., ::-1]
    image = np.ascontiguousarray(cv2.resize(photo, (side, side), interpolation=cv2.INTER_CUBIC))
    renderer = Renderer(Portrait(image, FaceDetector().pick(image)))
    motion = busy_motion(8 * count)[::8]
    rng = np.random.default_rng(0)
    motion[:, MOUTH] += 0.5 * rng.standard_normal((count, 12))
    motion[::5, PRESS], motion[2::5, TONGUE] = 1, 1
    return np.stack([renderer.frame(row) for row in motion])


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 frames in decibels, SAME at most."""
    error = float(np.square(a.astype(np.float32) - b).mean())
    return min(SAME, 10 * float(np.log10(255**2 / error))) if error else SAME


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--save", type=Path)
    what.add_argument("--against", type=Path)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--frames", type=int, default=20)
    args = parser.parse_args()
    if args.save:
        np.savez(args.save, frames=frames(args.side, args.frames))
        return
    before = np.load(args.against)["frames"]
    found = [psnr(a, b) for a, b in zip(frames(before.shape[1], len(before)), before, strict=True)]
    print(
        json.dumps(
            {"frames": len(found), "least_db": round(min(found), 1), "middle_db": round(float(np.median(found)), 1)}
        )
    )


if __name__ == "__main__":
    main()
