"""Which phone is spoken when, given the words: forced alignment by pocketsphinx (US English).

Needs the extra `exam`. Phones are CMU's (ARPAbet without stress marks), SIL where nobody speaks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonic_core.errors import InputError, MissingExtraError

SAMPLE_RATE = 16000
FRAMES_A_SECOND = 100
NOT_SPEECH = ("SIL", "+NSN+", "+SPN+")


@dataclass(frozen=True)
class Phone:
    name: str
    start: float  # seconds
    end: float

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


def align(speech: np.ndarray, text: str) -> list[Phone]:
    """The phones of `text` as spoken in `speech`, float32 (samples,) mono at 16 kHz.

    Raises:
        MissingExtraError: pocketsphinx is not installed.
        InputError: the text is empty, has words that the dictionary lacks, or does not fit the sound.
    """
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise MissingExtraError("the exam needs pocketsphinx: pip install 'sonic-studio[exam]'") from error
    decoder = Decoder(lm=None, loglevel="FATAL")
    said = words(text)
    if not said:
        raise InputError(f"the text {text[:40]!r} holds no English words: give the words that are spoken")
    unknown = sorted({word for word in said if decoder.lookup_word(word) is None})
    if unknown:
        raise InputError(f"the dictionary lacks {', '.join(unknown)}: spell numbers and names as English words")
    sound = (np.clip(speech, -1, 1) * 32767).astype("<i2").tobytes()
    try:
        decoder.set_align_text(" ".join(said))
        _decode(decoder, sound)
        decoder.set_alignment()
        _decode(decoder, sound)
        found = [phone for word in decoder.get_alignment() for phone in word]
    except (RuntimeError, TypeError) as error:
        raise InputError("the text could not be aligned to the sound: are these the words that are spoken?") from error
    times = [(p.name, p.start / FRAMES_A_SECOND, (p.start + p.duration) / FRAMES_A_SECOND) for p in found]
    return [Phone("SIL" if name in NOT_SPEECH else name, start, end) for name, start, end in times]


def words(text: str) -> list[str]:
    """Lower-case words of a text, punctuation and digits left out."""
    return "".join(c if c.isalpha() or c in "' " else " " for c in text.lower().replace("\u2019", "'")).split()


def _decode(decoder, sound: bytes) -> None:  # type: ignore[no-untyped-def]  # pocketsphinx has no types
    decoder.start_utt()
    decoder.process_raw(sound, full_utt=True)
    decoder.end_utt()
