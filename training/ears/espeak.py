"""Robot voices with exactly timed phones in five languages, thousands of times faster than real time.

    python -m training.ears.espeak --work WORK [--minutes 40]

eSpeak NG's formant synthesiser sounds like nobody, but it says anything with a hundred sizes of vocal tract, and it
tells when each phone begins. Needs libespeak-ng, whose phoneme events are read through ctypes, and pypinyin.
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from sonic_core.quality.alignment import Phone
from training.ears.align import save_phones
from training.ears.phones import of_ipa
from training.ears.store import Utterance, save
from training.ears.texts import grid_sentence, sentences

RATE = 16000
VOICES = {
    "en": ("en", "en-us", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-029"),
    "cmn": ("cmn-latn-pinyin",),
    "ja": ("ja",),
    "es": ("es", "es-419"),
    "fr": ("fr-fr", "fr-be"),
}
SHARES = {"en": 0.4, "cmn": 0.24, "ja": 0.12, "es": 0.12, "fr": 0.12}
VARIANTS = (  # noqa: SIM905
    "m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 Alex Alicia Andrea Andy Annie Denis Diogo Jacky Lee Marco "
    "Mario Michael Mike Nguyen Reed Steph belinda caleb david ed edward gene grandma grandpa iven jacob "
    "john kaukovalta linda max miguel michel norbert pablo paul pedro rob robert sandro steph2 travis "
).split()


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
SHORTEST_PAUSE = 0.12  # seconds
EARLY = 0.02  # seconds by which the sound is ahead of the events: where 467 p between vowels are silent
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

    def speak(self, text: str, voice: str, speed: int, pitch: int, pitch_range: int) -> tuple[np.ndarray, list[Phone]]:
        """Sound (samples,) at 16 kHz and its phones; both empty if the voice is not installed."""
        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            return np.zeros(0, np.float32), []
        for parameter, value in ((SPEED, speed), (PITCH, pitch), (PITCH_RANGE, pitch_range)):
            self.library.espeak_SetParameter(parameter, value, 0)
        self.sound, self.events = [], []
        if voice.startswith("cmn"):
            text = pinyin(text)
        data = text.encode() + b"\0"
        self.library.espeak_Synth(data, len(data), 0, 1, 0, UTF8, None, None)
        if not self.sound:
            return np.zeros(0, np.float32), []
        samples = np.concatenate(self.sound).astype(np.float32) / 32768
        sound = resample_poly(samples, 320, self.rate * 320 // RATE).astype(np.float32)
        return sound, timed(self.events, len(sound) / RATE)


def pinyin(text: str) -> str:
    """Hanzi as numbered syllables; eSpeak's own dictionary of characters is often not installed."""
    from pypinyin import Style, lazy_pinyin

    syllables = lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True, v_to_u=False)
    return " ".join(syllables).replace("v", "ü")


def timed(events: list[tuple[float, str]], seconds: float) -> list[Phone]:
    """Phones from events (start, name); a symbol without a sound of its own lengthens the phone before it."""
    starts, names = [0.0], ["SIL"]
    for start, name in events:
        phone = "SIL" if not name.strip("_ :|") else of_ipa(name)
        if phone is not None:
            starts.append(max(0.0, start - EARLY))
            names.append(phone)
    ends = [*starts[1:], seconds]
    out: list[Phone] = []
    for name, start, end in zip(names, starts, ends, strict=True):
        if end <= start:
            continue
        if out and out[-1].name == "SIL" and out[-1].end - out[-1].start < SHORTEST_PAUSE:
            start = out.pop().start  # a closure belongs to its plosive
        out.append(Phone(name, start, end))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=40.0)
    args = parser.parse_args()
    espeak, rng = Espeak(), np.random.default_rng(7)
    utterances: list[Utterance] = []
    timings: list[list[Phone]] = []
    made = 0.0
    while made < args.minutes * 60:
        language = str(rng.choice(list(SHARES), p=list(SHARES.values())))
        voice = f"{rng.choice(VOICES[language])}+{rng.choice(VARIANTS)}"
        text = grid_sentence(rng) if language == "en" and rng.random() < 0.25 else str(rng.choice(sentences(language)))
        speed, pitch, spread = (int(v) for v in rng.integers([120, 10, 20], [240, 95, 80]))
        sound, phones = espeak.speak(text, voice, speed, pitch, spread)
        if len(sound) > RATE:
            utterances.append(Utterance(f"espeak{len(utterances)}", voice, sound, None, text))
            timings.append(phones)
            made += len(sound) / RATE
    save(utterances, args.work / "corpus" / "espeak.npz")
    save_phones(timings, args.work / "phones" / "corpus_espeak.npz")
    print(f"{len(utterances)} utterances, {made / 60:.1f} minutes")


if __name__ == "__main__":
    main()
