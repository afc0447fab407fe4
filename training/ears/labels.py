"""The labels of a window: the real mouth where there is video, and what each phone asks of the lips.

Lips do not move in step with the sound. In GRID (1,263 p and b, 38 m, 434 f and v, all timed) the mean opening is
smallest 10 ms before the middle of p and b, 15 ms after the middle of m and 35 ms after the middle of f and v. In ten
clips of other speakers, tracked frame by frame, the lips are shut from 15 ms before a p or b begins until 20 ms before
it ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sonic_core.engines.lite.ear_head import KINDS
from sonic_core.quality.alignment import Phone
from training.ears.corpus import Corpus
from training.ears.phones import NUMBER, PHONES
from training.ears.windows import NOISE, SILENCE

FPS, FINE = 25, 50
LEAD = 0.015  # seconds before the middle of its phone at which a kind is wanted most
LEADS = {"teeth": -0.03}
SHORTEST = 0.07  # seconds: a closure covers two video frames, or it would fall between them
ASKS = {
    "closed": "M P B PF",
    "teeth": "F V",
    "round": "W UW UH OW OY AO SH CH ZH JH UE OE",
    "spread": "IY IH EY EH AE S Z",
    "open": "AA AE AH AO AW AY EH EY OW ER",
    "tongue": "TH DH L",
}
UNKNOWN = -1


@dataclass(frozen=True)
class Timing:
    """Phones of one utterance: numbers (n,), starts and ends (n,) in seconds."""

    phones: np.ndarray
    starts: np.ndarray
    ends: np.ndarray

    def as_phones(self) -> list[Phone]:
        names = (PHONES[number] for number in self.phones)
        return [Phone(*phone) for phone in zip(names, self.starts, self.ends, strict=True)]


def load_timings(work: Path, corpus: Corpus, folder: str = "corpus") -> dict[str, list[Timing | None]]:
    """For each kind of speech in the corpus, the timing of each utterance, None where it is unknown."""
    out: dict[str, list[Timing | None]] = {}
    for kind, utterances in corpus.kinds.items():
        path = work / "phones" / f"{folder}_{kind}.npz"
        if not path.exists():
            out[kind] = [None] * len(utterances)
            continue
        stored = dict(np.load(path))
        counts = stored["counts"][: len(utterances)]
        rows = [slice(end - count, end) for end, count in zip(np.cumsum(counts), counts, strict=True)]
        timings = [Timing(stored["phones"][r], stored["starts"][r], stored["ends"][r]) for r in rows]
        out[kind] = [timing if len(timing.phones) else None for timing in timings]
    return out


def phone_at(timing: Timing, times: np.ndarray) -> np.ndarray:
    """(n,) number of the phone at each time (n,) in seconds; silence before the first and after the last."""
    at = np.searchsorted(timing.ends, times, side="right")
    return np.where(at < len(timing.phones), timing.phones[np.minimum(at, len(timing.phones) - 1)], NUMBER["SIL"])


def asked_at(timing: Timing, times: np.ndarray) -> np.ndarray:
    """(n, kinds) float32, 0 or 1: what the phones ask of the mouth at each time (n,) in seconds."""
    out = np.zeros((len(times), len(KINDS)), np.float32)
    for column, kind in enumerate(KINDS):
        numbers = [NUMBER[name] for name in ASKS[kind].split()]
        for k in np.flatnonzero(np.isin(timing.phones, numbers)):
            middle = (timing.starts[k] + timing.ends[k]) / 2 - LEADS.get(kind, LEAD)
            half = max(timing.ends[k] - timing.starts[k], SHORTEST) / 2
            if kind == "closed":
                half = min(half, 0.06)  # the lips of a long m part before its sound ends
            out[np.abs(times - middle) <= half, column] = 1
    return out


class Labels:
    """Looks up the labels of a window's frames."""

    def __init__(self, work: Path, corpus: Corpus, mouth_scale: dict[str, float]):
        self.corpus, self.timings = corpus, load_timings(work, corpus)
        self.scale = mouth_scale  # by speaker: what brings the range of his mouth to the first speaker's

    def timing(self, number: int) -> Timing | None:
        """The phones of the utterance with this number, None where they are unknown."""
        return self.timings[self.corpus.kind(number)][number % Corpus.BASE]

    def of(self, source: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Labels of n frames that show the utterances `source` (n,) at `time` (n,) in seconds.

        They are the mouth (n, 12) and what is asked of it (n, kinds), NaN where unknown, and the phones (2 n,), two a
        frame, UNKNOWN where unknown.
        """
        n = len(source)
        mouth = np.full((n, 12), np.nan, np.float32)
        asked = np.full((n, len(KINDS)), np.nan, np.float32)
        phones = np.full((n, 2), UNKNOWN, np.int64)
        nobody = np.isin(source, (NOISE, SILENCE))
        mouth[source == NOISE], phones[nobody] = 0, NUMBER["SIL"]
        asked[nobody] = 0
        for number in set(source.tolist()) - {NOISE, SILENCE}:
            rows, utterance = source == number, self.corpus[number]
            times = time[rows]
            if utterance.mouth is not None:
                place = np.clip(times * FPS - 0.5, 0, len(utterance.mouth) - 1)
                low = np.floor(place).astype(int)
                high, share = np.minimum(low + 1, len(utterance.mouth) - 1), (place - low)[:, None]
                moved = utterance.mouth[low] * (1 - share) + utterance.mouth[high] * share
                mouth[rows] = moved * self.scale.get(utterance.voice, 1.0)
            if (timing := self.timing(number)) is not None:
                asked[rows] = asked_at(timing, times)
                phones[rows] = np.stack([phone_at(timing, times - 0.01), phone_at(timing, times + 0.01)], 1)
        return mouth, asked, phones.reshape(-1)


assert set(ASKS) == set(KINDS) and all(name in PHONES for names in ASKS.values() for name in names.split())
