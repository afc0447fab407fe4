"""Train the ear head on windows of features.

    python -m training.ears.train --work WORK --out FILE [--steps 8000] [--windows windows ...]

Three lessons at once: the real mouth (GRID, one speaker at length, four shortly), what every phone asks of lips, jaw
and tongue, and which phone it is (which only trains the layers below). Resumes at WORK/NAME.pt.
Logs the correlation of lip opening on the held-out clips and on strangers, if WORK/strangers is there.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from sonic_core.engines.lite.ear_head import EarHead, EarHeadConfig
from sonic_core.engines.lite.layout import MouthBasis
from sonic_core.speech.log_mel import log_mel
from sonic_core.speech.whisper_encoder import WhisperEncoder
from training.ears.corpus import Corpus
from training.ears.labels import UNKNOWN, Labels
from training.ears.phones import PHONES
from training.ears.store import load

WEIGHT = torch.tensor([3, 2, 2, 1.5, 1, 1, 0.7, 0.7, 0.5, 0.5, 0.5, 0.5])  # of the mouth's coefficients
LONGEST = 64  # frames of a window in one step
BLIND = 2  # last frames of a window that are not learned from: a live head waits at least 0.12 s


def opening_direction(basis: MouthBasis) -> np.ndarray:
    """(12,) what one unit of each mouth coefficient adds to the gap between the inner lips, unit length."""
    direction = basis.components[:, 14, 1] - basis.components[:, 13, 1]
    return (direction / np.linalg.norm(direction)).astype(np.float32)


def mouth_scales(corpus: Corpus) -> dict[str, float]:
    """Speaker -> what brings his range of opening to the first speaker's."""
    direction = opening_direction(MouthBasis.load())
    ranges: dict[str, float] = {}
    everyone = [u for utterances in corpus.kinds.values() for u in utterances if u.mouth is not None]
    for voice in {u.voice for u in everyone}:
        ranges[voice] = float(np.concatenate([u.mouth @ direction for u in everyone if u.voice == voice]).std())
    return {voice: ranges["s1"] / spread for voice, spread in ranges.items()}


class Windows:
    """All shards of some folders: features as memory maps, labels ready."""

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
        """The windows in some folders of the work folder, with the labels of the corpus."""
        return Windows([work / name for name in names], Labels(work, corpus, mouth_scales(corpus)))

    def batch(self, rng: np.random.Generator, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features (b, 2 n, states, heard), mouth, asked, phones; short ones padded with nothing known."""
        chosen = [crop(self.items[k], rng) for k in rng.integers(len(self.items), size=size)]
        n = max(len(item[1]) for item in chosen)

        def padded(k: int, rows: int, value: float) -> Tensor:
            parts = [torch.from_numpy(np.array(item[k])) for item in chosen]
            return torch.stack(
                [F.pad(p, (0, 0) * (p.dim() - 1) + (0, rows - len(p)), value=value) for p in parts]  # type: ignore[arg-type]
            )

        return padded(0, 2 * n, 0).float(), padded(1, n, math.nan), padded(2, n, math.nan), padded(3, 2 * n, UNKNOWN)


def crop(item: tuple, rng: np.random.Generator) -> tuple:
    """At most LONGEST frames of a window; in half of the draws its end, where a live head works."""
    states, mouth, asked, phones = item
    spare = max(0, len(mouth) - LONGEST)
    start = spare if rng.random() < 0.5 else int(rng.integers(spare + 1))
    stop = min(start + LONGEST, len(mouth))
    return states[2 * start : 2 * stop], mouth[start:stop], asked[start:stop], phones[2 * start : 2 * stop]


def losses(head: EarHead, batch: tuple[Tensor, ...], opening: Tensor) -> tuple[Tensor, Tensor, Tensor]:
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


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def lagged(made: np.ndarray, real: np.ndarray, reach: int = 4) -> tuple[float, float, float]:
    """Correlation at lag 0, its peak, and where that lies in frames (+ = made late), between frames by a parabola."""
    n = min(len(made), len(real))
    made, real = made[:n], real[:n]
    at = [
        correlation(made[max(0, k) : n + min(0, k)], real[max(0, -k) : n - max(0, k)]) for k in range(-reach, reach + 1)
    ]
    k = int(np.argmax(at))
    shift = 0.0
    if 0 < k < 2 * reach:
        bend = at[k - 1] - 2 * at[k] + at[k + 1]
        shift = 0.5 * (at[k - 1] - at[k + 1]) / bend if bend else 0.0
    return at[reach], at[k], k - reach + shift


class Exam:
    """Held-out clips, and strangers as an outside tracker saw them, with their features."""

    def __init__(self, work: Path, encoder: WhisperEncoder):
        self.basis = MouthBasis.load()
        self.sets: dict[str, list[tuple[Tensor, np.ndarray]]] = {"s1": [], "strangers": []}
        for utterance in load(work / "held_out" / "s1.npz"):
            self.sets["s1"].append((heard(encoder, utterance.sound), self.gap(utterance.mouth)))
        for path in sorted((work / "strangers").glob("*.npz")):
            stored = np.load(path)
            times, ok = stored["time"], np.isfinite(stored["gap"])
            real = np.interp(np.arange(0, times[-1] + 1e-6, 0.04), times[ok], stored["gap"][ok])
            self.sets["strangers"].append((heard(encoder, stored["sound"].astype(np.float32) / 32768), real))

    def gap(self, mouth: np.ndarray) -> np.ndarray:
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
    """The head without its phone output, as it ships."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {k: v.detach().half().contiguous() for k, v in head.state_dict().items() if not k.startswith("phones.")}
    part = path.with_name(path.name + ".part")
    save_file(weights, part, metadata={"config": json.dumps(asdict(replace(head.config, phones=0)))})
    os.replace(part, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--windows", nargs="+", default=["windows"])
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--width", type=int, default=160)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    corpus = Corpus.load(args.work)
    windows = Windows.load(args.work, args.windows, corpus)
    exam = Exam(args.work, WhisperEncoder.from_file(args.encoder))
    head = EarHead(EarHeadConfig(phones=len(PHONES), width=args.width), args.dropout)
    average = copy.deepcopy(head).eval()
    optimizer = torch.optim.AdamW(head.parameters(), lr=args.rate, betas=(0.9, 0.98), weight_decay=0.05)
    opening = torch.from_numpy(opening_direction(exam.basis))
    checkpoint, step = args.out.with_suffix(".pt"), 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        head.load_state_dict(state["head"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    print(f"{len(windows.items)} windows, from step {step}", flush=True)
    running, began = np.zeros(3), time.process_time()
    while step < args.steps:
        rng = np.random.default_rng([step, 3])
        factor = min(1.0, (step + 1) / 200) * 0.5 * (1 + math.cos(math.pi * step / args.steps)) + 0.005
        for settings in optimizer.param_groups:
            settings["lr"] = args.rate * factor
        head.train()
        parts = losses(head, windows.batch(rng, args.batch), opening)
        total = parts[0] + 3 * parts[1] + 0.3 * parts[2]
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
        step += 1
        keep = min(0.998, 1 - 1 / (step + 1))
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), head.parameters(), strict=True):
                slow.lerp_(fast, 1 - keep)
        running = 0.99 * running + 0.01 * np.array([float(part.detach()) for part in parts])
        if step % 500 == 0 or step == args.steps:
            state = {"head": head.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(state | {"step": step}, checkpoint.with_suffix(".part"))
            os.replace(checkpoint.with_suffix(".part"), checkpoint)
            save_head(average, args.out)
            spent = time.process_time() - began
            print(f"{step} {spent:.0f} s losses {running.round(3)} {exam.report(average)}", flush=True)


if __name__ == "__main__":
    main()
