"""Compare the cost of reading a video with that of decoding it plainly, in processor time and wall time.

    python benchmarks/reading.py --seconds 600

Makes a 1080p H.264 video with AAC of that length (five seconds of moving noise, joined packet by packet) and reads it
in five ways, each in a process of its own: only decoded by PyAV; decoded and converted with PyAV's own
`to_ndarray("rgb24")`, which is a level off each time; to floats, as 0.1.0 did; and by `open_video`, as bytes and as
floats, which turns it upright, places frames by time stamps, keeps colours accurate and decodes the sound, too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from sonic_core.clip import Audio, Clip
from sonic_core.media.video import open_video, save_video

PIECE = 5  # seconds
SIZE = (1920, 1080)


def make(path: Path, seconds: int) -> None:
    rng = np.random.default_rng(0)
    field = np.kron(rng.integers(0, 256, (80, 140, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    noise = rng.integers(-6, 7, (1080, 1920, 1))

    def frames():
        for index in range(25 * PIECE):
            part = field[index % 100 : index % 100 + 1080, 2 * (index % 100) : 2 * (index % 100) + 1920]
            yield (part.astype(np.int16) + np.roll(noise, 97 * index)).clip(0, 255).astype(np.uint8)[None]

    sound = Audio(rng.normal(0, 0.1, (1, 48_000 * PIECE - 9600)).astype(np.float32), 48_000)
    piece = save_video(Clip(*SIZE, 25 * PIECE, Fraction(25), frames, sound), path.with_name("piece.mp4"), crf=23)
    with av.open(str(path), "w") as whole:
        copies = {}
        for turn in range(seconds // PIECE):
            with av.open(str(piece)) as part:
                copies = copies or {s.index: whole.add_stream_from_template(s) for s in part.streams}
                for packet in part.demux():
                    if packet.dts is None:
                        continue
                    shift = round(turn * PIECE / packet.time_base)
                    packet.dts, packet.pts = packet.dts + shift, packet.pts + shift
                    packet.stream = copies[packet.stream_index]
                    whole.mux(packet)


def plain(path: str) -> int:
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        return sum(1 for _ in container.decode(video=0))


def converted(path: str) -> int:
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        return sum(frame.to_ndarray(format="rgb24").shape[2] // 3 for frame in container.decode(video=0))


def read(path: str) -> int:
    return sum(len(chunk) for chunk in open_video(path).pixels())


def before(path: str) -> int:
    """Read as 0.1.0 did: converted without accurate rounding, then to floats in two passes, without sound."""
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        frames = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
        return sum(len(np.stack([frame]).astype(np.float32) / 255) for frame in frames)


def as_floats(path: str) -> int:
    return sum(len(chunk) for chunk in open_video(path).chunks())


WAYS = {"plain": plain, "converted": converted, "before": before, "read": read, "as_floats": as_floats}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--measure", nargs=2, metavar=("WAY", "FILE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        began, used = time.perf_counter(), time.process_time()
        frames = WAYS[args.measure[0]](args.measure[1])
        spent = time.process_time() - used, time.perf_counter() - began
        sys.stdout.write(json.dumps([frames, *spent]) + "\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mp4"
        make(path, args.seconds)
        spent = {}
        for way in WAYS:
            command = [sys.executable, __file__, "--measure", way, str(path)]
            frames, *spent[way] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            used, wall = spent[way]
            sys.stdout.write(f"{way:10} {frames} frames, {used:.1f} s of processor time, {wall:.1f} s by the clock\n")

    def share(way: str, other: str) -> str:
        return " and ".join(f"{a / b:.2f}" for a, b in zip(spent[way], spent[other], strict=True))

    for way in ("plain", "converted"):
        sys.stdout.write(f"reading is {share('read', way)} of {way}\n")
    sys.stdout.write(f"reading as floats is {share('as_floats', 'before')} of 0.1.0\n")


if __name__ == "__main__":
    main()
