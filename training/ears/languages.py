"""Measure lips in languages without video: held-out voices of Kokoro read held-out sentences.

    python -m training.ears.languages speak --work WORK --kokoro-voices FOLDER
    python -m training.ears.languages measure --work WORK

`speak` has the same needs as `training.ears.kokoro`, which also tells when each phone is spoken. `measure` marks the
mouth that the package's ears predict, before rendering, as the viseme exam does.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from sonic_core.engines.lite.ears import Ears
from sonic_core.engines.lite.layout import WEIGHTS
from sonic_core.quality.alignment import Phone
from sonic_core.quality.exam import PHONES as KINDS
from sonic_core.quality.exam import LipTrack, marks
from training.ears.align import save_phones
from training.ears.corpus import Corpus
from training.ears.kokoro import Kokoro, transcribe
from training.ears.labels import load_timings
from training.ears.store import Utterance, load, save
from training.ears.texts import sentences

VOICES = {"cmn": ("zf_xiaoxiao", "zm_yunyang"), "es": ("ef_dora",), "fr": ("ff_siwis",), "ja": ("jf_alpha",)}
# Which of the exam's English phones stands for a phone of another language. Spanish [β] and Japanese [ɸ] let air pass
# between the lips, so they are marked as f and v are. Japanese u is not rounded, and k asks nothing of the lips.
STANDS_FOR = {"UE": "UW", "OE": "OW", "PF": "V"}
IN_JAPANESE = {"UH": "K"}


def speak(work: Path, voices: Path) -> None:
    kokoro, made, timings = Kokoro(voices), [], []
    for language, names in VOICES.items():
        for text in sentences(language, held_out=True):
            for name in names:
                sound, phones = kokoro.speak(transcribe(text, language), name)
                made.append(Utterance(language, name, sound, None, text))
                timings.append(phones)
    save(made, work / "held_out" / "kokoro.npz")
    save_phones(timings, work / "phones" / "held_out_kokoro.npz")


def measure(work: Path) -> None:
    torch.set_num_threads(1)
    ears = Ears.from_folder(WEIGHTS)
    utterances = load(work / "held_out" / "kokoro.npz")
    timings = load_timings(work, Corpus({"kokoro": utterances}), "held_out")["kokoro"]
    right: dict[str, dict[str, float]] = {}
    counts: dict[str, dict[str, int]] = {}
    for utterance, timing in zip(utterances, timings, strict=True):
        assert timing is not None
        stand_ins = STANDS_FOR | IN_JAPANESE if utterance.name == "ja" else STANDS_FOR
        phones = [Phone(stand_ins.get(p.name, p.name), p.start, p.end) for p in timing.as_phones()]
        frames = len(utterance.sound) // 640
        rows = ears.articulate(utterance.sound, frames)
        gap, width = ears.articulation.opening(rows), (rows[:, :12] @ ears.articulation.width)[:, 0]
        exam = marks(LipTrack(np.arange(frames) / 25, gap, width), phones)
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
    args = parser.parse_args()
    if args.do == "speak":
        speak(args.work, args.kokoro_voices)
    else:
        measure(args.work)


if __name__ == "__main__":
    main()
