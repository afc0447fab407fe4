"""Train the ear head on windows of features.

    python -m training.ears.train --work WORK --encoder FILE --out NAME.safetensors [--steps 4500] [--windows NAME ...]

The head learns three things at once: the real mouth (five speakers of GRID), what every phone asks of lips, jaw and
tongue, and which phone it hears, which only trains the layers below. A stopped run goes on from NAME.pt. Prints how the
opening of the lips correlates with the real one, on the held-out clips and, if WORK/strangers is there, on strangers.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sonic_core.engines.lite.ear_head import EarHead, EarHeadConfig
from sonic_core.engines.lite.layout import MouthBasis
from sonic_core.speech.log_mel import log_mel
from sonic_core.speech.whisper_encoder import WhisperEncoder
from training.ears.corpus import Corpus
from training.ears.labels import UNKNOWN, Labels
from training.ears.phones import PHONES
from training.ears.scores import held_out, lagged, opening_direction, strangers
from training.learning import Learner, halved, save_weights

WEIGHT = torch.tensor([3, 2, 2, 1.5, 1, 1, 0.7, 0.7, 0.5, 0.5, 0.5, 0.5])  # of the mouth's coefficients
LONGEST = 64  # frames of a window in one step
BLIND = 2  # the last frames of a window are not learned from, since a live head waits at least 0.12 s
BATCH, RATE, DROPOUT = 16, 1e-3, 0.2


def mouth_scales(corpus: Corpus) -> dict[str, float]:
    """For each speaker, the factor that brings the range of his opening to the first speaker's."""
    direction = opening_direction(MouthBasis.load())
    ranges: dict[str, float] = {}
    everyone = [u for utterances in corpus.kinds.values() for u in utterances if u.mouth is not None]
    for voice in {u.voice for u in everyone}:
        ranges[voice] = float(np.concatenate([u.mouth @ direction for u in everyone if u.voice == voice]).std())
    return {voice: ranges["s1"] / spread for voice, spread in ranges.items()}


class Windows:
    """All windows of some folders: features as memory maps, and their labels."""

    def __init__(self, folders: list[Path], labels: Labels):
        self.items: list[tuple] = []
        for path in sorted(path for folder in folders for path in folder.glob("[0-9]*.npz")):
            if "part" in path.name:
                continue
            stored, states = dict(np.load(path)), np.load(path.with_suffix(".states.npy"), mmap_mode="r")
            ends = np.cumsum(stored["lengths"])
            for end, length in zip(ends, stored["lengths"], strict=True):
                rows = slice(end - length, end)
                mouth, asked, phones = labels.of(stored["source"][rows], stored["time"][rows])
                self.items.append((states[2 * (end - length) : 2 * end], mouth, asked, phones))

    @staticmethod
    def load(work: Path, names: list[str], corpus: Corpus) -> Windows:
        """The windows in the named folders of the work folder, labelled by the corpus."""
        return Windows([work / name for name in names], Labels(work, corpus, mouth_scales(corpus)))

    def batch(self, rng: np.random.Generator, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features (b, 2 n, states, heard), mouth (b, n, 12), asked (b, n, kinds), phones (b, 2 n).

        Short windows are padded with labels that say unknown.
        """
        chosen = [crop(self.items[k], rng) for k in rng.integers(len(self.items), size=size)]
        n = max(len(item[1]) for item in chosen)

        def padded(k: int, rows: int, value: float) -> Tensor:
            parts = [torch.from_numpy(np.array(item[k])) for item in chosen]
            return torch.stack(
                [F.pad(p, (0, 0) * (p.dim() - 1) + (0, rows - len(p)), value=value) for p in parts]  # type: ignore[arg-type]
            )

        return padded(0, 2 * n, 0).float(), padded(1, n, math.nan), padded(2, n, math.nan), padded(3, 2 * n, UNKNOWN)


def crop(item: tuple, rng: np.random.Generator) -> tuple:
    """At most LONGEST frames of a window: in half of the draws its last ones, where a live head works."""
    states, mouth, asked, phones = item
    spare = max(0, len(mouth) - LONGEST)
    start = spare if rng.random() < 0.5 else int(rng.integers(spare + 1))
    stop = min(start + LONGEST, len(mouth))
    return states[2 * start : 2 * stop], mouth[start:stop], asked[start:stop], phones[2 * start : 2 * stop]


def losses(head: EarHead, batch: tuple[Tensor, ...], opening: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The losses of mouth, articulation and phones; errors along `opening` (12,) are added to those of the mouth."""
    states, mouth, asked, phones = batch
    made, wanted, said = head(states)
    known = ~mouth[..., 0].isnan()
    known[:, -BLIND:] = False
    difference = (made - mouth.nan_to_num())[known]
    shape = (difference.square() * WEIGHT).mean() + (difference @ opening).square().mean()
    asks = ~asked[..., 0].isnan()
    asks[:, -BLIND:] = False
    articulation = F.binary_cross_entropy_with_logits(wanted[asks], asked[asks])
    phone = F.cross_entropy(said.flatten(0, 1), phones.flatten(), ignore_index=UNKNOWN, label_smoothing=0.05)
    return shape, articulation, phone


class Exam:
    """The held-out clips, and strangers' if there are any: what the encoder hears of each, and its real opening."""

    def __init__(self, work: Path, encoder: WhisperEncoder):
        self.basis = MouthBasis.load()
        own = [(utterance.sound, self.gap(mouth)) for utterance, mouth in held_out(work)]
        self.sets = {
            name: [(heard(encoder, sound), real) for sound, real in clips]
            for name, clips in (("s1", own), ("strangers", strangers(work)))
        }

    def gap(self, mouth: np.ndarray) -> np.ndarray:
        """(n,) the distance between the inner lips of mouths (n, 12)."""
        points = self.basis.rest + self.basis.displacement(mouth)
        return np.linalg.norm(points[:, 13] - points[:, 14], axis=-1)

    @torch.inference_mode()
    def report(self, head: EarHead) -> str:
        words = []
        for name, clips in self.sets.items():
            found = np.array([lagged(self.gap(head(states[None])[0][0].numpy()), real) for states, real in clips])
            if len(found):
                at_0, best, lag = found.mean(0)
                words.append(f"{name} {at_0:.3f}, best {best:.3f} at {lag:+.2f}, worst {found[:, 0].min():.2f}")
        return "; ".join(words)


@torch.inference_mode()
def heard(encoder: WhisperEncoder, sound: np.ndarray) -> Tensor:
    """(2 n, states, heard) of a sound cut to whole video frames."""
    return encoder(log_mel(sound[: len(sound) // 640 * 640])[None])[0]


def save_head(head: EarHead, path: Path) -> None:
    """Write the head as it ships, without its phone output."""
    weights = {name: value for name, value in head.state_dict().items() if not name.startswith("phones.")}
    save_weights(halved(weights), path, {"config": json.dumps(asdict(replace(head.config, phones=0)))})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--windows", nargs="+", default=["windows"])
    parser.add_argument("--steps", type=int, default=4500)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    windows = Windows.load(args.work, args.windows, Corpus.load(args.work))
    exam = Exam(args.work, WhisperEncoder.from_file(args.encoder))
    head = EarHead(EarHeadConfig(phones=len(PHONES)), DROPOUT)
    learner = Learner(head, [{"params": head.parameters(), "lr": RATE, "weight_decay": 0.05}], horizon=500)
    checkpoint = args.out.with_suffix(".pt")
    learner.resume(checkpoint)
    opening = torch.from_numpy(opening_direction(exam.basis))
    print(f"{len(windows.items)} windows, from step {learner.step}", flush=True)
    running = np.zeros(3)
    head.train()
    while learner.step < args.steps:
        parts = losses(head, windows.batch(np.random.default_rng([learner.step, 3]), BATCH), opening)
        learner.learn(parts[0] + 3 * parts[1] + 0.3 * parts[2], args.steps)
        running = 0.99 * running + 0.01 * np.array([float(part.detach()) for part in parts])
        if learner.step % 500 == 0 or learner.step == args.steps:
            learner.save(checkpoint)
            print(f"step {learner.step}: losses {running.round(3)}, {exam.report(learner.average)}", flush=True)
    save_head(learner.average, args.out)


if __name__ == "__main__":
    main()
