"""Measure the ears of the lite engine before anything is rendered: strangers, disturbances, other sounds, cost.

    python -m benchmarks.lite_ears --shared ../shared [--videos FOLDER]

The clips of `data/grid_other` (or other talking videos in FOLDER) show people nobody trained on. Our own landmarks
track their real lips frame by frame, and the prediction from their sound is compared with these. Prints JSON:
correlation of the opening at lag 0 and at the best lag, offline and through a live window; what noise, music,
telephone, 8 kHz and codecs cost, over the whole clip and from the first word on (before it, lips part for a breath that
noise drowns); how far music, noise, silence, breath and laughter alone open the lips (95th
percentile, share of the face's height); how the lips follow the same voice whispered, sung and shouted; processor
seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from scipy import signal

from sonic_core.engines.lite.ears import Ears
from sonic_core.engines.lite.engine import AUDIO_GUIDANCE
from sonic_core.engines.lite.layout import WEIGHTS
from sonic_core.engines.lite.motion import MotionModel, loudness
from sonic_core.engines.lite.motion_stream import KNOWN, Listener, MotionStream, whole
from sonic_core.face.tracker import FaceTracker
from sonic_core.media.audio import speech_waveform
from sonic_core.media.video import open_video
from sonic_core.quality.exam import track_lips
from sonic_core.settings import Settings
from training.ears import voices
from training.ears.disturbances import CODECS, DISTURBANCES, disturbed, tune
from training.ears.scores import lagged

RATE, FPS = 16000, 25
NOISES = 4  # draws of a disturbance whose losses are averaged
SPOKEN = 0.7  # loudness at which the first word has begun; the breath before it is quieter
Recording = tuple[np.ndarray, np.ndarray]  # sound (samples,), real opening (frames,)


def recording(path: Path) -> Recording:
    clip = open_video(path)
    track = track_lips(clip, FaceTracker())
    known = np.isfinite(track.gap)
    times = np.arange(0, track.times[-1] + 1e-6, 1 / FPS)
    return speech_waveform(clip.audio, RATE), np.interp(times, track.times[known], track.gap[known])


def first_word(sound: np.ndarray) -> int:
    """The frame in which somebody begins to speak."""
    return int((loudness(sound, len(sound) // 640) >= SPOKEN).argmax())


def live(ears: Ears, sound: np.ndarray, look_ahead: float, block: int = RATE // 10) -> np.ndarray:
    stream = ears.stream(look_ahead)
    rows = [stream.push(sound[at : at + block]) for at in range(0, len(sound), block)]
    return np.concatenate([*rows, stream.flush()])


def shouted(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The voice shouting: formants a tenth higher, 8 dB more above 1 kHz, peaks cut off by an overloaded microphone."""
    del rng
    raised = voices.move_formants(sound, 1.1)
    above = signal.sosfilt(signal.butter(1, 1000, "highpass", fs=RATE, output="sos"), raised)
    bright = raised + 1.5 * above
    return np.clip(bright, -2 * bright.std(), 2 * bright.std()).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--videos", type=Path, help="talking videos of people nobody trained on (data/grid_other)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    folder = args.videos or args.shared / "data" / "grid_other"
    began = time.process_time()
    model = MotionModel.from_folder(WEIGHTS)
    load, ears = time.process_time() - began, model.ears
    opening = ears.articulation.opening
    clips = [recording(path) for path in sorted(folder.iterdir()) if path.suffix in (".mpg", ".mp4")]

    def scores(hear) -> list[float]:
        found = np.array([lagged(opening(hear(sound)), real) for sound, real in clips])
        return [round(float(v), 3) for v in found.mean(0)] + [round(float(found[:, 0].min()), 3)]

    def offline(sound: np.ndarray) -> np.ndarray:
        return ears.articulate(sound, len(sound) // 640)

    result: dict[str, object] = {"clips": len(clips), "lag 0, best, lag, worst": scores(offline)}
    for seconds in (0.12, 0.2, 0.4):
        result[f"live, {seconds} s ahead"] = scores(lambda sound, ahead=seconds: live(ears, sound, ahead))
    for how in (*DISTURBANCES, *CODECS):
        draws = [np.random.default_rng(3 + k) for k in range(NOISES if how in DISTURBANCES[:2] else 1)]
        losses = []
        for sound, real in clips:
            start, clean = first_word(sound), opening(offline(sound))
            for rng in draws:
                worse = opening(offline(disturbed(sound, how, rng)))
                losses.append(
                    [lagged(clean[at:], real[at:])[0] - lagged(worse[at:], real[at:])[0] for at in (0, start)]
                )
        result[f"loss: {how}, and from the first word on"] = [round(float(v), 3) for v in np.mean(losses, 0)]
    for name, manner in (("whispered", voices.whispered), ("sung", voices.sung), ("shouted", shouted)):
        rng = np.random.default_rng(5)
        result[name] = scores(lambda sound, manner=manner, rng=rng: offline(manner(sound, rng)))
    rng = np.random.default_rng(4)
    others = {
        "breath": 0.05 * voices.breath(20 * RATE, rng),
        "laughter": 0.1 * voices.laughter(20 * RATE, rng),
        "music": 0.1 * tune(20 * RATE, rng),
        "noise": 0.05 * rng.standard_normal(20 * RATE).astype(np.float32),
        "silence": np.zeros(20 * RATE, np.float32),
    }
    for name, sound in others.items():
        result[f"opening in {name} alone"] = round(float(np.percentile(opening(offline(sound)), 95)), 4)
    speech = np.resize(np.concatenate([sound for sound, _ in clips]), 10 * RATE)
    began = time.process_time()
    heard = Listener(model, speech, 250).heard(0, 250)
    listened = time.process_time() - began
    list(whole(heard.part, 250, MotionStream(model, Settings(inference_steps=25), AUDIO_GUIDANCE, KNOWN)))
    total = time.process_time() - began
    seconds = {"load": load, "ears for 10 s": listened, "ears and motion for 10 s": total}
    result["processor seconds"] = {name: round(value, 2) for name, value in seconds.items()}
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
