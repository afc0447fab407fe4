"""What reading a video costs beside decoding it plainly, in processor time and by the clock on the wall.

    python benchmarks/reading.py --seconds 600

Makes a 1080p H.264 video with AAC of that length (five seconds of moving noise, joined packet by packet), then reads it
in each of the WAYS, in a process of its own, several times in turn; the least time of each counts, since others work on
the machine.
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
    """PyAV decodes the pictures, on all cores, and nothing else."""
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        return sum(1 for _ in container.decode(video=0))


def converted(path: str) -> int:
    """The same, each picture converted by PyAV, a level too dark each time."""
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        return sum(frame.to_ndarray(format="rgb24").shape[2] // 3 for frame in container.decode(video=0))


def usual(path: str) -> int:
    """As PyAV's examples do it: decoded on one core, converted, and the sound decoded afterwards."""
    with av.open(path) as container:
        count = sum(frame.to_ndarray(format="rgb24").shape[2] // 3 for frame in container.decode(video=0))
    with av.open(path) as container:
        np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    return count


def read(path: str) -> int:
    """`open_video`: upright, placed by time stamps, accurate colours, the sound too."""
    return sum(len(chunk) for chunk in open_video(path).pixels())


def small(path: str) -> int:
    """The same at 640 pixels on the short side, as `align` reads."""
    return sum(len(chunk) for chunk in open_video(path, short_side=640).pixels())


def as_floats(path: str) -> int:
    """The same as `read`, to floats."""
    return sum(len(chunk) for chunk in open_video(path).chunks())


def before(path: str) -> int:
    """As 0.1.0 read: converted without accurate rounding, then to floats in two passes, no sound."""
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        frames = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
        return sum(len(np.stack([frame]).astype(np.float32) / 255) for frame in frames)


WAYS = {way.__name__: way for way in (plain, converted, usual, read, small, as_floats, before)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
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
        spent: dict[str, np.ndarray] = {}
        for _ in range(args.rounds):
            for way in WAYS:
                command = [sys.executable, __file__, "--measure", way, str(path)]
                frames, *times = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                spent[way] = np.minimum(spent.get(way, np.inf), times)
    for way, (used, wall) in spent.items():
        sys.stdout.write(f"{way:10} {frames} frames, {used:.1f} s of processor time, {wall:.1f} s by the clock\n")
    for way, other in (("read", "plain"), ("read", "converted"), ("read", "usual"), ("as_floats", "before")):
        used, wall = spent[way] / spent[other]
        sys.stdout.write(f"{way} is {used:.2f} of {other} in processor time, {wall:.2f} by the clock\n")


if __name__ == "__main__":
    main()
