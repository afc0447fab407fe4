"""Measure how soon a streamed video plays, how late live frames are, and how far live lips agree with offline ones.

    python -m benchmarks.live stream --portrait P --audio A [--seconds 10 600]
    python -m benchmarks.live talk --portrait P --audio A [--seconds 600] [--wall]
    python -m benchmarks.live lips --shared ../shared
    python -m benchmarks.live ahead --audio A [--seconds 20]

Each prints one line of JSON. `--audio` is repeated until it is long enough. Wall times depend on what else the machine
does; `processor` is the time that its cores worked for us, which hardly does. `talk` runs against a clock of processor
time unless it is told `--wall`: waiting costs nothing, and all work is counted as if one core did it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import soundfile
import torch

from benchmarks.repeated import repeated
from sonic_core import Audio, SonicPipeline
from sonic_core.disclosure.label import VisibleLabel
from sonic_core.live.fragments import Fragmenter
from sonic_core.live.pace import BLOCK, Pace
from sonic_core.live.session import LiveSession
from sonic_core.live.sound import FPS
from sonic_core.media.audio import load_audio
from sonic_core.media.hls import PLAYLIST, save_stream, segments

EXAMPLE = Path(__file__).parent.parent / "web" / "samples" / "sonic_portrait.jpg"


CLOSED = 0.004  # opening, in heights of a face, below which lips are closed


class Enough(Exception):
    """Raised to end a stream that has been measured."""


def first_segment(pipe: SonicPipeline, portrait: Path, audio: Audio) -> dict[str, float]:
    """Seconds from the inputs to a playlist that lists a segment, with the model loaded before."""
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
    """The same from the start of the command, which loads everything."""
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


class ProcessorClock:
    """A clock that runs as it would on one core that nobody else uses."""

    def __init__(self) -> None:
        self.slept = 0.0

    def __call__(self) -> float:
        return time.process_time() + self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


def run_talk(args: argparse.Namespace) -> dict[str, object]:
    """A microphone's sound in pieces of 20 ms goes through core and encoder to the bytes that a socket would send."""
    own = ProcessorClock()
    clock: Callable[[], float] = time.monotonic if args.wall else own
    sleep: Callable[[float], None] = time.sleep if args.wall else own.sleep
    torch.set_num_threads(1)
    pipe = SonicPipeline.from_pretrained("lite")
    session = LiveSession(pipe.talk(args.portrait, "fast", min_resolution=args.size), backlog=0.5)
    fragments = Fragmenter(session.talk.size, VisibleLabel("en"))
    audio = load_audio(args.audio)
    sound = repeated(Audio(audio.samples.mean(0, keepdims=True), audio.rate), args.seconds).samples[0]
    piece, given, start = audio.rate // 50, 0, clock()

    def listen(seconds: float) -> None:
        """Sleep, then hand over what the microphone has heard in that time."""
        nonlocal given
        sleep(seconds)
        due = int((clock() - start) * audio.rate) // piece * piece
        session.push(sound[given:due], audio.rate)
        given = max(given, due)

    pace, begun = Pace(clock, listen), time.process_time()
    late, memory, ahead_of_clock, load = [], [], [], []
    first: int | None = None
    for shown in pace.frames(session, lambda: clock() - start >= args.seconds):
        fragments.write(shown)
        moment = shown.moment
        if first is None and moment.sound.any():
            first = moment.index
        if first is not None and shown.picture is not None:
            late.append(clock() - start - (moment.index - first + 1) / FPS)
        if moment.index % (10 * FPS) == 0:
            memory.append(psutil.Process().memory_info().rss / 2**20)
            load.append(os.getloadavg()[0])
            ahead_of_clock.append(clock() - start - moment.index / FPS)
    spent = time.process_time() - begun
    return {
        "seconds": args.seconds,
        "latency_median_p99": [round(float(np.percentile(late, share)), 3) for share in (50, 99)],
        "on_time": round(pace.shown / (pace.shown + pace.left_out), 4),
        "clock_restarts": pace.restarts,
        "drift_ms": round(1000 * (float(np.median(ahead_of_clock[-6:])) - float(np.median(ahead_of_clock[1:7]))), 1),
        "memory_growth_mb": round(memory[-1] - memory[min(3, len(memory) - 1)], 1),
        "processor_seconds_a_second": round(spent / args.seconds, 3),
        "load_average": round(float(np.median(load)), 1),  # processes that wanted to run, ours among them
    }


def run_lips(args: argparse.Namespace) -> dict[str, object]:
    """Correlation of the opening with strangers' real lips at lag 0, in a live session and offline."""
    from benchmarks.lite_ears import recording
    from training.ears.scores import lagged

    torch.set_num_threads(1)
    pipe = SonicPipeline.from_pretrained("lite")
    engine = pipe.engine
    folder = args.shared / "data" / "grid_other"
    found = []
    for path in sorted(folder.glob("*.mpg")):
        speech, real = recording(path)
        ears = engine.motion.ears
        offline = ears.articulate(speech, len(speech) // 640)
        session = LiveSession(pipe.talk(EXAMPLE, "fast"))
        session.push(speech, 16000)
        session.end()
        rows = [moment.row for _ in range(len(real) // 4 + 4) for moment in session.advance(4)]
        found.append([lagged(ears.articulation.opening(made), real)[0] for made in (offline, np.stack(rows))])
    offline_mean, live_mean = np.mean(found, 0)
    return {"clips": len(found), "offline": round(float(offline_mean), 3), "live": round(float(live_mean), 3)}


def run_ahead(args: argparse.Namespace) -> dict[str, object]:
    """Live lips against those that the whole sound gives, for several look-aheads; no real lips are needed."""
    from benchmarks.lite_ears import live
    from sonic_core.engines.lite.ears import SAMPLES
    from sonic_core.engines.lite.motion import MotionModel
    from sonic_core.media.audio import speech_waveform

    torch.set_num_threads(1)
    ears = MotionModel.from_folder().ears
    speech = speech_waveform(repeated(load_audio(args.audio), args.seconds), 16000)
    opening = ears.articulation.opening
    whole = opening(ears.articulate(speech, len(speech) // SAMPLES))
    closed = whole < CLOSED
    found: dict[str, object] = {"seconds": args.seconds, "closed_frames": int(closed.sum())}
    for seconds in (0.08, 0.12, 0.16, 0.2, 0.24):
        made = opening(live(ears, speech, seconds, block=BLOCK * SAMPLES))[: len(whole)]
        agreement = float(np.corrcoef(made, whole)[0, 1])
        found[f"{seconds}"] = {
            "correlation": round(agreement, 3),
            "closed": round(float((made[closed] < CLOSED).mean()), 2),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    stream = commands.add_parser("stream", help="the first playable segment")
    stream.add_argument("--portrait", type=Path, required=True)
    stream.add_argument("--audio", type=Path, required=True)
    stream.add_argument("--seconds", type=float, nargs="+", default=[10.0, 600.0])
    stream.set_defaults(run=run_stream)
    talk = commands.add_parser("talk", help="how late live frames are")
    talk.add_argument("--portrait", type=Path, required=True)
    talk.add_argument("--audio", type=Path, required=True)
    talk.add_argument("--seconds", type=float, default=600.0)
    talk.add_argument("--size", type=int, default=512, help="shorter side of the picture (512)")
    talk.add_argument("--wall", action="store_true", help="by the clock on the wall, on an idle machine")
    talk.set_defaults(run=run_talk)
    lips = commands.add_parser("lips", help="live lips against offline ones")
    lips.add_argument("--shared", type=Path, required=True)
    lips.set_defaults(run=run_lips)
    ahead = commands.add_parser("ahead", help="what looking ahead is worth")
    ahead.add_argument("--audio", type=Path, required=True)
    ahead.add_argument("--seconds", type=float, default=20.0)
    ahead.set_defaults(run=run_ahead)
    args = parser.parse_args()
    sys.stdout.write(json.dumps(args.run(args)) + "\n")


if __name__ == "__main__":
    main()
