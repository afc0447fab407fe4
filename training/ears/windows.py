"""Windows of speech as the encoder hears them: random lengths, voices and disturbances, made once and kept.

    python -m training.ears.windows --work WORK [--count 5000]

A window joins utterances end to end and cuts 1 to 6 s out at any place, so that the head learns windows whose past and
future end anywhere. What is kept are the encoder's hidden states and, for every video frame, which moment of which
utterance it shows; labels are looked up when the head is trained. A stopped run goes on after its last whole file.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sonic_core.engines.lite.layout import WEIGHTS
from sonic_core.speech.log_mel import log_mel
from sonic_core.speech.whisper_encoder import WhisperEncoder
from training.ears import voices
from training.ears.corpus import Corpus

RATE, FPS = 16000, 25
FRAME = RATE // FPS
SHARD = 250
SILENCE, NOISE = -1, -2  # in place of an utterance's number, where nobody speaks


@dataclass(frozen=True)
class Window:
    sound: np.ndarray  # (frames * 640,)
    clean: np.ndarray  # (frames * 640,) the same before anything disturbed it
    source: np.ndarray  # (frames,) int32 number of the utterance, or SILENCE or NOISE
    time: np.ndarray  # (frames,) float32 seconds in it


def make_window(corpus: Corpus, rng: np.random.Generator, length: int | None = None) -> Window:
    """Random utterances, changed and joined; `length` frames, or 1 to 6 s of them."""
    length = length or int(rng.uniform(1.0, 6.0) * FPS)
    if rng.random() < 0.05:
        return nobody(length, rng)
    sounds, sources, times = [], [], []
    kind = corpus.draw_kind(rng)
    formants, speed = np.exp(rng.normal(0.03, 0.10)), np.exp(rng.uniform(-0.18, 0.2))
    plain = rng.random() < 0.25
    manner = rng.choice([None, voices.whispered, voices.sung], p=[0.88, 0.05, 0.07])
    while sum(map(len, sources)) < length + 10:
        number = corpus.draw(kind, rng)
        sound = corpus[number].sound
        if not plain:
            sound = voices.resample(sound, speed)
            if abs(np.log(formants)) > 0.03:
                sound = voices.move_formants(sound, float(formants))
            if manner is not None:
                sound = manner(sound, rng)
        frames = len(sound) // FRAME
        sounds.append(sound[: frames * FRAME])
        sources.append(np.full(frames, number))
        times.append((np.arange(frames) + 0.5) / FPS * (1.0 if plain else speed))
        if rng.random() < 0.4:
            pause = int(rng.uniform(0.1, 1.0) * FPS)
            sounds.append(np.zeros(pause * FRAME, np.float32))
            sources.append(np.full(pause, SILENCE))
            times.append(np.zeros(pause))
    sound, source, time = (np.concatenate(parts) for parts in (sounds, sources, times))
    start = int(rng.integers(len(source) - length + 1))
    part = slice(start, start + length)
    sound = sound[start * FRAME : (start + length) * FRAME]
    murmur = corpus[corpus.draw(kind, rng)].sound
    disturbed = voices.level(sound if plain and rng.random() < 0.5 else voices.degrade(sound, rng, murmur), rng)
    return Window(disturbed, sound.astype(np.float32), source[part].astype(np.int32), time[part].astype(np.float32))


def nobody(length: int, rng: np.random.Generator) -> Window:
    """Silence, noise, music, breath or laughter, at any level, swelling and sinking."""
    samples = length * FRAME
    make = rng.choice([voices.music, voices.coloured_noise, voices.breath, voices.laughter], p=[0.35, 0.35, 0.15, 0.15])
    swell = np.interp(np.linspace(0, 5, samples), np.arange(6), rng.uniform(0.1, 1, 6))
    sound = voices.level(make(samples, rng) * swell, rng) * (rng.random() > 0.15)
    sound = sound.astype(np.float32)
    return Window(sound, sound, np.full(length, NOISE, np.int32), np.zeros(length, np.float32))


def make_shard(corpus: Corpus, encoder: WhisperEncoder, seed: int, count: int, path: Path) -> None:
    states, sources, times, lengths = [], [], [], []
    for k in range(count):
        window = make_window(corpus, np.random.default_rng([seed, k]))
        with torch.inference_mode():
            heard = encoder(log_mel(window.sound)[None])[0]
        states.append(heard.half().numpy())
        sources.append(window.source)
        times.append(window.time)
        lengths.append(len(window.source))
    np.save(path.with_suffix(".states.npy"), np.concatenate(states))
    part = path.with_name(path.stem + ".part.npz")
    np.savez(part, source=np.concatenate(sources), time=np.concatenate(times), lengths=np.array(lengths))
    os.replace(part, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, default=WEIGHTS / "whisper.safetensors")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--folder", default="windows")
    args = parser.parse_args()
    torch.set_num_threads(1)
    folder = args.work / args.folder
    folder.mkdir(parents=True, exist_ok=True)
    corpus, encoder = Corpus.load(args.work), WhisperEncoder.from_file(args.encoder)
    for shard, first in enumerate(range(0, args.count, SHARD)):
        path = folder / f"{shard:03d}.npz"
        if not path.exists():
            make_shard(corpus, encoder, shard, min(SHARD, args.count - first), path)
            print(path.name, flush=True)


if __name__ == "__main__":
    main()
