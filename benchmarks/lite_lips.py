"""Measure the lips of the lite engine with an outside tracker, on people nobody trained on and on the one it knows.

    python -m benchmarks.lite_lips --shared ../shared --tracker PYTHON [--speakers strangers] [--portraits 5]
        [--in-turn]

Every clip's sound drives every portrait, or with `--in-turn` only one: the first clip the first portrait, the second
the second, and so on. The finished video is tracked by `tools/lip_fidelity.py` of the data folder (run with PYTHON, an
environment with mediapipe) and compared with the real speaker's lips. `strangers` are the clips of `data/grid_other`,
`trained` the held-out clips of GRID's speaker 1. Prints one line of JSON: mean correlation at lag 0 and at the best
lag, the mean of that lag, the share of videos where it is within a frame, opening and jitter.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from sonic_core import SonicPipeline
from training.mouth_basis import HELD_OUT_CLIPS

# A closed mouth, dark skin, glasses over an open smile, a beard, an old face.
PORTRAITS = [
    "london_ccby_00697",
    "london_ccby_00589",
    "senate_00048",
    "faker_ai_512_00928",
    "faker_ai_512_00828",
]


def clips_of(speakers: str, shared: Path) -> list[tuple[Path, str]]:
    """The sound of every clip, and what `lip_fidelity.py --like` takes for it."""
    if speakers == "strangers":
        return [(path, str(path)) for path in sorted((shared / "data" / "grid_other").glob("*.mpg"))]
    names = [str(n) for n in np.load(shared / "data" / "grid_s1" / "motion.npz")["names"]][-HELD_OUT_CLIPS:]
    return [(shared / "data" / "grid_s1" / "audio" / f"{name}.opus", name) for name in names]


def measure(video: Path, like: str, shared: Path, tracker: str) -> dict[str, object]:
    command = [tracker, str(shared / "tools" / "lip_fidelity.py"), str(video), "--like", like]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--tracker", required=True, help="a Python with mediapipe and av")
    parser.add_argument("--speakers", choices=("strangers", "trained"), default="strangers")
    parser.add_argument("--clips", type=int, default=HELD_OUT_CLIPS)
    parser.add_argument("--portraits", type=int, default=len(PORTRAITS))
    parser.add_argument("--in-turn", action="store_true", help="one portrait for each clip")
    parser.add_argument("--min-resolution", type=int, default=512)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    clips = clips_of(args.speakers, args.shared)[: args.clips]
    portraits = [args.shared / "data" / "faces" / f"{name}.jpg" for name in PORTRAITS[: args.portraits]]
    pipe = SonicPipeline.from_pretrained("lite")
    rows, waiting = [], []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(args.workers) as pool:
        for turn, portrait in enumerate(portraits):
            for sound, like in clips[turn :: len(portraits)] if args.in_turn else clips:
                video = Path(folder) / f"{portrait.stem}_{sound.stem}.mp4"
                pipe.save_video(pipe(portrait, sound, min_resolution=args.min_resolution), video)
                job = pool.submit(measure, video, like, args.shared, args.tracker)
                waiting.append((portrait.stem, sound.stem, job))
        for portrait_name, clip, future in waiting:
            row = future.result()
            rows.append(row)
            sys.stderr.write(f"{portrait_name} {clip} {json.dumps(row)}\n")
    correlation = np.array([row.get("correlation", 0.0) for row in rows], float)
    peak = np.array([row.get("peak_correlation", 0.0) for row in rows], float)
    lag = np.array([row.get("lag_frames", 99) for row in rows])
    opening = np.array([row["opening"] for row in rows if "opening" in row], float)
    summary = {
        "speakers": args.speakers,
        "videos": len(rows),
        "portraits": [path.stem for path in portraits],
        "mean_correlation": round(float(correlation.mean()), 3),
        "worst_tenth": round(float(np.quantile(correlation, 0.1)), 3),
        "peak_correlation": round(float(peak.mean()), 3),
        "mean_lag_frames": round(float(lag.mean()), 2),
        "lag_within_one_frame": round(float((np.abs(lag) <= 1).mean()), 3),
        "tracked": round(float(np.mean([row["tracked"] for row in rows])), 3),
        "opening_5_50_95": [round(float(v), 4) for v in opening.mean(0)],
        "jitter": round(float(np.mean([row.get("jitter", 0.0) for row in rows])), 5),
    }
    sys.stdout.write(json.dumps(summary) + "\n")


if __name__ == "__main__":
    main()
