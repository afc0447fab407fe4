"""Robot voices with exactly timed phones, thousands of times faster than real time.

eSpeak NG's formant synthesiser sounds like nobody, but it says anything in a hundred sizes of vocal tract and tells
the instant each phone begins: it teaches the encoder phones that GRID's few words lack. `voices.py` adds the natural
ones. Uses libespeak-ng through ctypes, for its phoneme events.

    python -m training.speech.espeak --out WORK [--minutes 60]
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
from pathlib import Path

import numpy as np

from training.speech.phones import INDEX, phone_of
from training.speech.texts import everyday, grid_sentence, word_row
from training.speech.voices import BATCH, RATE, save_batch, to_16k

LANGUAGES = ("en", "en-us", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029")
VARIANTS = (  # noqa: SIM905
    "m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 Alex Alicia Andrea Andy Annie Denis Diogo Jacky Lee Marco "
    "Mario Michael Mike Nguyen Reed Steph belinda caleb david ed edward gene grandma grandpa iven jacob "
    "john kaukovalta linda max miguel michel norbert pablo paul pedro rob robert sandro steph2 travis "
).split()
# Names of one sound that are longer than a symbol, or that the phones do not have.
WHOLE: dict[str, str] = dict(
    entry.split("=")
    for entry in (  # noqa: SIM905
        "aɪ=I eɪ=A əʊ=O oʊ=O aʊ=W ɔɪ=Y dʒ=ʤ tʃ=ʧ aɪə=I aɪɚ=I eə=ɛ iə=ɪ ʊə=ʊ əl=l ʔ=t ɚ=ə ɫ=l x=k ɬ=l ɔɹ=ɔ ɑɹ=ɑ "
    ).split()
)


class _Name(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # milliseconds
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Name),
    )


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
SYNCHRONOUS, PHONEME_EVENTS_IPA, PHONEME, UTF8 = 2, 3, 7, 1
SPEED, PITCH, PITCH_RANGE = 1, 3, 4


class Espeak:
    def __init__(self) -> None:
        found = ctypes.util.find_library("espeak-ng")
        if found is None:
            raise ModuleNotFoundError("install espeak-ng")
        self.library = ctypes.CDLL(found)
        self.rate = self.library.espeak_Initialize(SYNCHRONOUS, 500, None, PHONEME_EVENTS_IPA)
        self.sound: list[np.ndarray] = []
        self.events: list[tuple[float, str]] = []
        self._callback = _CALLBACK(self._collect)  # kept, or it would be freed while espeak calls it
        self.library.espeak_SetSynthCallback(self._callback)

    def _collect(self, wave, samples: int, events) -> int:
        if wave and samples:
            self.sound.append(np.ctypeslib.as_array(wave, (samples,)).copy())
        k = 0
        while events[k].type != 0:
            if events[k].type == PHONEME:
                name = bytes(events[k].id.string).decode("utf-8", "ignore")
                self.events.append((events[k].audio_position / 1000, name))
            k += 1
        return 0

    def speak(self, text: str, voice: str, speed: int, pitch: int, pitch_range: int):
        """16 kHz audio, phone indices (n,), end times in seconds (n,); None if the voice is not installed."""
        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            return None
        for parameter, value in ((SPEED, speed), (PITCH, pitch), (PITCH_RANGE, pitch_range)):
            self.library.espeak_SetParameter(parameter, value, 0)
        self.sound, self.events = [], []
        data = text.encode() + b"\0"
        self.library.espeak_Synth(data, len(data), 0, 1, 0, UTF8, None, None)
        audio = to_16k(np.concatenate(self.sound).astype(np.float32) / 32768, self.rate)
        starts, phones = [0.0], [INDEX["_"]]
        for start, name in self.events:
            starts.append(start)
            phones.append(INDEX[_phone(name)])
        return audio, np.array(phones), np.append(np.array(starts)[1:], len(audio) / RATE)


def _phone(name: str) -> str:
    name = "".join(c for c in name if c not in "ˈˌː|ʲ̩̃")
    if name in WHOLE:
        return WHOLE[name]
    return next((p for p in map(phone_of, name) if p is not None), "_")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60.0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    espeak = Espeak()
    rng = np.random.default_rng(7)
    made, number = 0.0, 0
    while made < args.minutes * 60:
        items = []
        while len(items) < BATCH:
            voice = f"{rng.choice(LANGUAGES)}+{rng.choice(VARIANTS)}"
            kind = rng.random()
            text = str(rng.choice(everyday())) if kind < 0.3 else word_row(rng, "gb")
            text = grid_sentence(rng) if kind > 0.75 else text
            speed, pitch, spread = rng.integers([120, 10, 20], [240, 95, 80])
            spoken = espeak.speak(text, voice, int(speed), int(pitch), int(spread))
            if spoken is not None and len(spoken[0]) > RATE:
                items.append(dict(zip(("audio", "phones", "ends"), spoken, strict=True), voice=voice, text=text))
        save_batch(args.out / f"espeak_{number:03d}.npz", items)
        made += sum(len(item["audio"]) for item in items) / RATE
        number += 1
    print(f"{number} files, {made / 60:.1f} minutes")


if __name__ == "__main__":
    main()
