"""Measure what another background costs: processor time of the matte and of a finished frame, and memory.

    python -m benchmarks.background [--sizes 512 1080] [--seconds 4]

Each row is a process of its own, in which the lite engine makes a file of the example portrait and speech, without a
background or with one. Encoding is included; loading is not.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[1] / "web" / "samples"
ROWS = (("none", "a.mp4"), ("green", "a.mp4"), ("transparent", "a.webm"), ("transparent", "a.mov"))


def measured(background: str | None, name: str, size: int, seconds: float) -> dict[str, float]:
    """Seconds for the matte, milliseconds a frame, and peak megabytes of this process."""
    from sonic_core.clip import Audio
    from sonic_core.matting.cutout import cut_out
    from sonic_core.media.audio import load_audio
    from sonic_core.pipeline import SonicPipeline
    from sonic_core.settings import Settings

    pipe = SonicPipeline.from_pretrained("lite", device="cpu")
    speech = load_audio(SAMPLES / "sonic_speech.flac")
    sound = Audio(speech.samples[:, : round(seconds * speech.rate)], speech.rate)
    clip = pipe(SAMPLES / "sonic_portrait.jpg", sound, min_resolution=size, background=background, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        pipe.save_video(clip, Path(folder) / name)
        a_frame = (time.process_time() - start) / clip.frame_count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    matte = 0.0
    if background is not None:
        portrait = pipe.prepare(SAMPLES / "sonic_portrait.jpg", sound, Settings(min_resolution=size)).portrait.image
        start = time.process_time()
        cut_out(portrait)
        matte = time.process_time() - start
    return {"matte_s": round(matte, 2), "ms_a_frame": round(1000 * a_frame, 1), "peak_mb": round(peak)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1080])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)  # one row, in a process of its own
    args = parser.parse_args()
    if args.one:
        background, name, size = args.one
        found = measured(None if background == "none" else background, name, int(size), args.seconds)
        sys.stdout.write(json.dumps(found) + "\n")
        return
    for size in args.sizes:
        for row, name in ROWS:
            command = [sys.executable, "-m", "benchmarks.background", "--seconds", str(args.seconds)]
            made = subprocess.run([*command, "--one", row, name, str(size)], capture_output=True, text=True, check=True)
            found = json.loads(made.stdout.splitlines()[-1])
            sys.stdout.write(f"{size} px  {row:12} {name[1:]:6} {found}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
