"""All speech that the ears learn from: sound, mouths and words, one file WORK/corpus/KIND.npz for each source.

    python -m training.ears.corpus --data ../shared/data --work WORK [--clips 929]

This command writes the speech that comes with video; `espeak`, `piper` and `kokoro` add theirs. Speech with real mouths
is drawn most often, and GRID's first speaker more often than the other four together, since he alone says every word of
GRID many times.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.ears.grid import more_speakers, speaker_one
from training.ears.store import Utterance, load, save

# Which share of the windows each kind gets. Where a kind is missing, the others share its part.
SHARES = {"s1": 0.40, "more": 0.17, "espeak": 0.13, "piper": 0.12, "kokoro": 0.18}


@dataclass(frozen=True)
class Corpus:
    """Utterances by kind. Each has a number over all kinds; kinds are `BASE` apart, so one may grow alone."""

    kinds: dict[str, list[Utterance]]

    BASE = 100_000

    @staticmethod
    def load(work: Path) -> Corpus:
        paths = {kind: work / "corpus" / f"{kind}.npz" for kind in SHARES}
        return Corpus({kind: load(path) for kind, path in paths.items() if path.exists()})

    def __getitem__(self, number: int) -> Utterance:
        return self.kinds[self.kind(number)][number % self.BASE]

    def kind(self, number: int) -> str:
        return list(SHARES)[number // self.BASE]

    def draw_kind(self, rng: np.random.Generator) -> str:
        shares = np.array([SHARES[kind] for kind in self.kinds])
        return str(rng.choice(list(self.kinds), p=shares / shares.sum()))

    def draw(self, kind: str, rng: np.random.Generator) -> int:
        """The number of a random utterance of a kind; for `more`, of a random speaker."""
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
    parser.add_argument("--clips", type=int, default=929, help="of the first speaker")
    args = parser.parse_args()
    training, held_out = speaker_one(args.data)
    save(training[: args.clips], args.work / "corpus" / "s1.npz")
    save(held_out, args.work / "held_out" / "s1.npz")
    save(more_speakers(args.data), args.work / "corpus" / "more.npz")


if __name__ == "__main__":
    main()
