"""Measure rest, life, fidelity, speed and memory of the lite engine; `benchmarks/lite_lips.py` measures its lips.

    python -m benchmarks.lite_figures [--portrait P] [--audio A] [--tracker PYTHON --shared DIR] [--long 300]

Prints one line of JSON. Each peak of memory is that of a process of its own. The outside tracker measures the opening
at rest, which is left out without --tracker and --shared.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from sonic_core import Audio, SonicPipeline
from sonic_core.engines.lite.layout import GAZE, HEAD_ROTATION, LIDS, MOUTH
from sonic_core.face.crop import head_box
from sonic_core.media.audio import load_audio
from sonic_core.settings import Settings
from training.motion.life import blinks_a_minute

EXAMPLES = Path(__file__).parent.parent / "web" / "samples"


def rest(pipe: SonicPipeline, portrait: Path, tracker: str | None, shared: Path | None) -> dict[str, float]:
    """Silence: the opening in a finished video of five seconds, and the blinks of a minute of motion."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        clip = pipe(portrait, Audio(np.zeros((1, 5 * 16000), np.float32), 16000))
        video = pipe.save_video(clip, Path(folder) / "rest.mp4")
        if tracker and shared:
            command = [tracker, str(shared / "tools" / "lip_fidelity.py"), str(video)]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found["opening_95"] = json.loads(output.strip().splitlines()[-1])["opening"][2]
    latents = sampled(pipe, portrait, Audio(np.zeros((1, 60 * 16000), np.float32), 16000), 0)
    found["blinks_per_minute"] = blinks_a_minute(latents[:, LIDS].mean(1))
    return found


def sampled(pipe: SonicPipeline, portrait: Path, audio: Audio, seed: int) -> np.ndarray:
    """(n, 27) motion latents."""
    prepared = pipe.prepare(portrait, audio, Settings(seed=seed))
    conditions = pipe.engine.condition(prepared.portrait, prepared.speech, prepared.settings)
    return pipe.engine.sample(conditions, prepared.settings).values.float().numpy()


def life(pipe: SonicPipeline, portrait: Path, audio: Audio) -> dict[str, float]:
    """The mean correlation between five seeds of the lips (should be near 1) and of head and gaze (near 0)."""
    runs = [sampled(pipe, portrait, audio, seed) for seed in range(5)]
    pairs = [(a, b) for i, a in enumerate(runs) for b in runs[i + 1 :]]

    def agreement(channels: slice) -> float:
        values = [np.corrcoef(a[:, k], b[:, k])[0, 1] for a, b in pairs for k in range(*channels.indices(a.shape[1]))]
        return round(float(np.mean(values)), 3)

    return {
        "lips_between_seeds": agreement(slice(MOUTH.start, MOUTH.start + 1)),
        "head_between_seeds": agreement(HEAD_ROTATION),
        "gaze_between_seeds": agreement(GAZE),
        "head_degrees": round(float(np.mean([run[:, HEAD_ROTATION].std(0).mean() for run in runs])), 2),
    }


def fidelity(pipe: SonicPipeline, portrait: Path, audio: Audio) -> float:
    """Lowest PSNR in dB over frames, away from the head (its box grown by half), against the framed photo."""
    prepared = pipe.prepare(portrait, audio, Settings())
    clip = pipe(portrait, audio)
    face, photo = prepared.portrait.face, prepared.portrait.image.astype(np.float32) / 255
    height, width = photo.shape[:2]
    x1, y1, x2, y2 = head_box(face, (width, height))
    grow_x, grow_y = (x2 - x1) // 4, (y2 - y1) // 4
    away = np.ones((height, width), bool)
    away[max(y1 - grow_y, 0) : y2 + grow_y, max(x1 - grow_x, 0) : x2 + grow_x] = False
    worst = max(float(((frame[away] - photo[away]) ** 2).mean()) for frame in clip.frames())
    return round(float(-10 * np.log10(max(worst, 1e-10))), 1)


def speed(portrait: Path, audio: Path) -> dict[str, float]:
    """Processor seconds to load, and for a second of 512 x 512 video, rendering and encoding included."""
    start = time.process_time()
    pipe = SonicPipeline.from_pretrained("lite")
    load = time.process_time() - start
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        clip = pipe(portrait, audio)
        pipe.save_video(clip, Path(folder) / "speed.mp4")
        work = time.process_time() - start
    return {"load_seconds": round(load, 2), "for_a_second": round(work / clip.seconds, 3)}


def peak_mb(portrait: Path, seconds: float) -> int:
    """Peak memory of a fresh process that makes `seconds` of video."""
    with tempfile.TemporaryDirectory() as folder:
        speech = load_audio(EXAMPLES / "sonic_speech.flac")
        mono = speech.mono()
        soundfile.write(Path(folder) / "long.wav", np.resize(mono, int(seconds * speech.rate)), speech.rate)
        command = [sys.executable, "-m", "sonic_core", "generate", "--json", "--image", str(portrait)]
        command += ["--audio", str(Path(folder) / "long.wav"), "--output", str(Path(folder) / "long.mp4")]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return int(json.loads(output.strip().splitlines()[-1])["peak_memory_mb"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--portrait", type=Path, default=EXAMPLES / "sonic_portrait.jpg")
    parser.add_argument("--audio", type=Path, default=EXAMPLES / "sonic_speech.flac")
    parser.add_argument("--tracker", help="a Python with mediapipe and av")
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--long", type=float, default=300, help="seconds of the long run of the memory figure")
    args = parser.parse_args()
    figures: dict[str, object] = {"speed": speed(args.portrait, args.audio)}
    pipe = SonicPipeline.from_pretrained("lite")
    audio = load_audio(args.audio)
    figures["rest"] = rest(pipe, args.portrait, args.tracker, args.shared)
    figures["life"] = life(pipe, args.portrait, audio)
    figures["psnr_away_from_head"] = fidelity(pipe, args.portrait, audio)
    short, long = peak_mb(args.portrait, 10), peak_mb(args.portrait, args.long)
    figures["memory_mb"] = {"10 s": short, f"{args.long:g} s": long, "growth": long - short}
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
