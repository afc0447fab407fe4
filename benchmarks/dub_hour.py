"""Measure the memory of a dub as the video grows longer.

    python -m benchmarks.dub_hour VIDEO [--minutes 1 60] [--lines 240] [--keep 1]

VIDEO is a short video of one person who talks. It is scaled to --lines and repeated without encoding it again. Only one
frame in --keep is left, so that a long sound takes little time. Its own sound is the new voice as well as the bed under
it. Each length runs the command `dub` in a process of its own. Prints one line of JSON for each length:
minutes, frames, seconds of wall clock and of processor time, and peak resident memory in MB.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import av

from benchmarks.dub import enlarged
from sonic_core.clip import Clip
from sonic_core.media.video import open_video, save_video


def thinned(clip: Clip, keep: int) -> Clip:
    """The clip with one frame in `keep`."""
    count = -(-clip.frame_count // keep)
    return clip.replaced(
        make=lambda: (frame[None] for frame in islice(clip.frames(), 0, None, keep)),
        frame_count=count,
        fps=clip.fps / keep,
    )


def repeated(source: Path, target: Path, minutes: float) -> None:
    """Repeat the streams of a file, without encoding them again, until they are long enough."""
    with av.open(str(source)) as first, av.open(str(target), "w") as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in first.streams}
        length = first.duration / av.time_base
        packets = [packet for packet in first.demux() if packet.dts is not None]
        data = [(p.stream_index, bytes(p), p.pts, p.dts, p.duration, p.is_keyframe, p.time_base) for p in packets]
        for turn in range(round(minutes * 60 / length)):
            for index, content, pts, dts, duration, key, base in data:
                packet = av.Packet(content)
                late = round(turn * length / base)
                packet.pts, packet.dts, packet.duration, packet.time_base = pts + late, dts + late, duration, base
                packet.is_keyframe, packet.stream = key, streams[index]
                new.mux(packet)


def measured(video: Path, folder: Path) -> dict[str, float]:
    """Time and memory of dubbing a video with its own sound."""
    command = [sys.executable, "-m", "sonic_core", "dub", "--video", str(video), "--audio", str(video)]
    command += ["--keep-audio", "-20dB", "--json", "--output", str(folder / "dubbed.mp4")]
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    report = json.loads(process.stdout.read().splitlines()[-1])
    _, _, used = os.wait4(process.pid, 0)
    return {
        "frames": report["frames"],
        "wall": round(time.monotonic() - start),
        "processor": round(used.ru_utime + used.ru_stime),
        "megabytes": round(used.ru_maxrss / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 60])
    parser.add_argument("--lines", type=int, default=240)
    parser.add_argument("--keep", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        original = open_video(args.video)
        scaled = thinned(enlarged(original, args.lines), args.keep).replaced(audio=original.audio)
        short = save_video(scaled, folder / "short.mp4")
        for minutes in args.minutes:
            repeated(short, folder / "long.mp4", minutes)
            found = {"minutes": minutes, "lines": args.lines, **measured(folder / "long.mp4", folder)}
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
