"""How soon a streamed video plays, and that it is the plain one; how late live frames are.

    python -m benchmarks.live stream --portrait P --audio A [--seconds 10 600]

Prints one line of JSON. `--audio` is repeated until it is long enough. Times are of this machine as busy as it is;
`processor` is the time its cores worked, which others at work hardly change.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from sonic_core import Audio, SonicPipeline
from sonic_core.media.audio import load_audio
from sonic_core.media.hls import PLAYLIST, save_stream, segments


class Enough(Exception):
    """Raised to end a stream that has been measured."""


def repeated(audio: Audio, seconds: float) -> Audio:
    """The sound again and again, for exactly so many seconds."""
    count = round(seconds * audio.rate)
    return Audio(np.tile(audio.samples, -(-count // audio.samples.shape[1]))[:, :count], audio.rate)


def first_segment(pipe: SonicPipeline, portrait: Path, audio: Audio) -> dict[str, float]:
    """Seconds from the inputs to a playlist that lists a segment, the model loaded."""
    with tempfile.TemporaryDirectory() as folder:
        start, work = time.perf_counter(), time.process_time()
        found: dict[str, float] = {}

        def look(done: int, total: int) -> None:
            if playable(Path(folder) / "stream"):
                found.update(seconds=time.perf_counter() - start, processor=time.process_time() - work)
                raise Enough

        with contextlib.suppress(Enough):
            save_stream(pipe.stream(portrait, audio), Path(folder) / "stream", on_frame=look)
    return {name: round(value, 2) for name, value in found.items()}


def first_segment_cold(portrait: Path, audio: Audio) -> dict[str, float]:
    """The same from the start of the command, everything still to be loaded."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        soundfile.write(folder / "sound.wav", audio.samples.T, audio.rate)
        command = [sys.executable, "-m", "sonic_core", "stream", "--image", str(portrait)]
        command += ["--audio", str(folder / "sound.wav"), "--output", str(folder / "stream")]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        process = subprocess.Popen(command)
        while not playable(folder / "stream"):
            if process.poll() is not None:
                raise SystemExit("the command ended without a segment")
            time.sleep(0.01)
        seconds = time.perf_counter() - start
        process.terminate()
        process.wait()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(seconds, 2), "processor": round(processor, 2)}


def playable(stream: Path) -> bool:
    """Whether the playlist is there and lists a segment."""
    return (stream / PLAYLIST).exists() and bool(segments((stream / PLAYLIST).read_text()))


def run_stream(args: argparse.Namespace) -> dict[str, object]:
    audio = load_audio(args.audio)
    pipe = SonicPipeline.from_pretrained("lite")
    for _ in pipe.stream(args.portrait, repeated(audio, 1.0)).chunks():  # what only the first clip costs
        pass
    loaded = {f"{seconds:g}": first_segment(pipe, args.portrait, repeated(audio, seconds)) for seconds in args.seconds}
    cold = {f"{seconds:g}": first_segment_cold(args.portrait, repeated(audio, seconds)) for seconds in args.seconds}
    return {"first_segment_loaded": loaded, "first_segment_cold": cold}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    stream = commands.add_parser("stream", help="the first playable segment")
    stream.add_argument("--portrait", type=Path, required=True)
    stream.add_argument("--audio", type=Path, required=True)
    stream.add_argument("--seconds", type=float, nargs="+", default=[10.0, 600.0])
    stream.set_defaults(run=run_stream)
    args = parser.parse_args()
    sys.stdout.write(json.dumps(args.run(args)) + "\n")


if __name__ == "__main__":
    main()
