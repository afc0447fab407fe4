"""Run the viseme exam on the lite engine, with free speech of people nobody trained on.

    python -m benchmarks.lite_exam --shared ../shared [--readings FOLDER] [--portraits 3] [--keep FOLDER]

Readings are the clips of LJ Speech that have a plain transcript, or every FOLDER/NAME.txt with its sound beside it.
Every reading drives every portrait, and the finished video takes the exam with our own landmarks, as in `python -m
sonic_core exam`. Prints JSON: the share of phones of each kind that are right, over all videos, and the median lag of
the closures.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.lite_lips import PORTRAITS
from sonic_core import SonicPipeline
from sonic_core.errors import InputError
from sonic_core.face.tracker import FaceTracker
from sonic_core.media.audio import load_audio, speech_waveform
from sonic_core.media.video import open_video
from sonic_core.quality.alignment import SAMPLE_RATE, align
from sonic_core.quality.exam import PHONES, marks, track_lips


def readings(shared: Path, folder: Path | None) -> list[tuple[Path, str]]:
    """The sound file and the words of every reading."""
    if folder:
        sounds = {path.stem: path for path in folder.iterdir() if path.suffix != ".txt"}
        return [(sounds[text.stem], text.read_text("utf-8")) for text in sorted(folder.glob("*.txt"))]
    rows = (shared / "data" / "ljspeech" / "metadata.csv").read_text("utf-8").splitlines()
    return [(shared / "data" / "ljspeech" / f"{name}.flac", text) for name, _, text in (row.split("|") for row in rows)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--readings", type=Path)
    parser.add_argument("--portraits", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="leave the videos here")
    args = parser.parse_args()
    torch.set_num_threads(1)
    pipe = SonicPipeline.from_pretrained("lite")
    right: dict[str, float] = dict.fromkeys((*PHONES, "rest"), 0.0)
    counts, lags, videos = dict.fromkeys(right, 0), [], 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for sound, text in readings(args.shared, args.readings):
            try:
                phones = align(speech_waveform(load_audio(sound), SAMPLE_RATE), text)
            except InputError as error:  # words that the dictionary lacks
                sys.stderr.write(f"{sound.stem} left out: {error}\n")
                continue
            for name in PORTRAITS[: args.portraits]:
                video = folder / f"{name}_{sound.stem}.mp4"
                if not video.exists():
                    photo = args.shared / "data" / "faces" / f"{name}.jpg"
                    pipe.save_video(pipe(photo, sound, min_resolution=512), video)
                exam = marks(track_lips(open_video(video), FaceTracker()), phones)
                videos += 1
                sys.stderr.write(f"{video.name} {exam}\n")
                for kind, count in exam.counts.items():
                    right[kind] += count * (getattr(exam, kind) or 0.0)
                    counts[kind] += count
                if exam.lag_frames is not None:
                    lags.append(exam.lag_frames)
    shares = {kind: round(right[kind] / counts[kind], 3) if counts[kind] else None for kind in right}
    result = {"videos": videos, **shares, "lag_frames": round(float(np.median(lags)), 2), "counts": counts}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
