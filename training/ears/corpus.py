"""All speech that is learned from, in one folder: sound, mouths and words, as `training.ears.grid` and others left it.

    python -m training.ears.corpus --data ../shared/data --work WORK

Each source is one file, WORK/corpus/KIND.npz. Real mouths are drawn most, GRID's first speaker more than the other four
together because he alone says every word of GRID many times.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.ears.grid import more_speakers, speaker_one
from training.ears.store import Utterance, load, save

RATE = 16000
# How often a window is made of each kind; kinds that are not there are left out.
SHARES = {"s1": 0.40, "more": 0.17, "espeak": 0.13, "piper": 0.12, "kokoro": 0.18}


@dataclass(frozen=True)
class Corpus:
    """Every utterance has one number over all kinds: `BASE` apart, so that adding to a kind moves no other."""

    kinds: dict[str, list[Utterance]]

    BASE = 100_000

    @staticmethod
    def load(work: Path) -> Corpus:
        paths = {kind: work / "corpus" / f"{kind}.npz" for kind in SHARES}
        return Corpus({kind: load(path) for kind, path in paths.items() if path.exists()})

    def __getitem__(self, number: int) -> Utterance:
        return self.kinds[list(SHARES)[number // self.BASE]][number % self.BASE]

    def sound(self, number: int) -> np.ndarray:
        return self[number].sound

    def draw_kind(self, rng: np.random.Generator) -> str:
        shares = np.array([SHARES[kind] for kind in self.kinds])
        return str(rng.choice(list(self.kinds), p=shares / shares.sum()))

    def draw(self, kind: str, rng: np.random.Generator) -> int:
        """A random utterance of a kind; of `more`, a random speaker first."""
        utterances = self.kinds[kind]
        choice = range(len(utterances))
        if kind == "more":
            voice = rng.choice(sorted({u.voice for u in utterances}))
            choice = [k for k, u in enumerate(utterances) if u.voice == voice]
        return list(SHARES).index(kind) * self.BASE + int(rng.choice(choice))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    args = parser.parse_args()
    training, held_out = speaker_one(args.data)
    save(training, args.work / "corpus" / "s1.npz")
    save(held_out, args.work / "held_out" / "s1.npz")
    save(more_speakers(args.data), args.work / "corpus" / "more.npz")


if __name__ == "__main__":
    main()
