"""What every window should make of the mouth: real coefficients, and what each phone asks for.

Lips do not act in the middle of the sound: over 1,263 p b, 38 m and 434 f v of GRID whose phones are timed, the mean
opening is smallest 10 ms before the middle of p and b, 15 ms after that of m and 35 ms after that of f and v; in ten
clips of other speakers, seen frame by frame, lips are shut from 15 ms before a p or b begins to 20 ms before it ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sonic_core.engines.lite.ear_head import KINDS
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


def load_timings(work: Path, corpus: Corpus, folder: str = "corpus") -> dict[str, list[Timing | None]]:
    """For each kind, the timing of each utterance, None where it is not known."""
    out: dict[str, list[Timing | None]] = {}
    for kind, utterances in corpus.kinds.items():
        path = work / "phones" / f"{folder}_{kind}.npz"
        if not path.exists():
            out[kind] = [None] * len(utterances)
            continue
        stored = dict(np.load(path))
        ends = np.cumsum(stored["counts"])
        rows = [slice(end - count, end) for end, count in zip(ends, stored["counts"], strict=True)]
        timings = [Timing(stored["phones"][r], stored["starts"][r], stored["ends"][r]) for r in rows]
        out[kind] = [timing if len(timing.phones) else None for timing in timings]
    return out


def phone_at(timing: Timing, times: np.ndarray) -> np.ndarray:
    """(n,) phone number at each time; silence outside."""
    at = np.searchsorted(timing.ends, times, side="right")
    return np.where(at < len(timing.phones), timing.phones[np.minimum(at, len(timing.phones) - 1)], NUMBER["SIL"])


def asked_at(timing: Timing, times: np.ndarray) -> np.ndarray:
    """(n, kinds) float32 0 or 1: what the phones ask of the mouth at each time."""
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
    """Looks up what a window's frames show."""

    def __init__(self, work: Path, corpus: Corpus, mouth_scale: dict[str, float]):
        self.corpus, self.timings = corpus, load_timings(work, corpus)
        self.scale = mouth_scale  # speaker -> what makes his range that of the first speaker
        self.names = list(corpus.kinds)

    def timing(self, number: int) -> Timing | None:
        utterance_kind = self.kind(number)
        return self.timings[utterance_kind][number % Corpus.BASE]

    def kind(self, number: int) -> str:
        from training.ears.corpus import SHARES

        return list(SHARES)[number // Corpus.BASE]

    def of(self, source: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mouth (n, 12) NaN where unknown, asked (n, kinds) NaN where unknown, phones (2 n,) UNKNOWN where unknown."""
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
