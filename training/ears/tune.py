"""Tune the ears as a whole, encoder and head together, on speech that is disturbed anew in every step.

    python -m training.ears.tune --work WORK --encoder FILE --head HEAD.pt --out FOLDER [--steps 1368] [--students ...]

Made for a few minutes of one GPU, while the processor's cores disturb the speech; it runs on a CPU too. The head of
`training.ears.train` is the start and the teacher. The teacher hears every window clean and half a second longer than
the students, who learn to hear the same through noise and without the future, so that one model serves offline and
live. Real mouths (GRID) count most. Where there is no video, the mouth is half the teacher's and half that of
`training.ears.coarticulation`, with lips that meet where the known phones close them.

Four students learn from the same batches: the head on the frozen encoder (`frozen`), the encoder tuned gently and
freely (`gentle`, `free`), and an encoder of HuBERT's shape that starts from nothing (`hubert`). FOLDER gets
NAME_head.safetensors and, of an encoder that learned, NAME.safetensors. A stopped run goes on from FOLDER/NAME.pt.
Prints how the opening of the lips correlates with real ones, for the held-out clips and for strangers.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonic_core.engines.lite.articulation import Articulation
from sonic_core.engines.lite.ear_head import EarHead, EarHeadConfig
from sonic_core.engines.lite.layout import MouthBasis
from sonic_core.speech.log_mel import log_mel
from sonic_core.speech.whisper_encoder import WhisperEncoder
from training.ahead import made_ahead
from training.ears.coarticulation import Coarticulation
from training.ears.corpus import Corpus
from training.ears.labels import UNKNOWN, Labels
from training.ears.phones import PHONES
from training.ears.scores import opening_direction
from training.ears.train import BLIND, DROPOUT, WEIGHT, mouth_scales
from training.ears.tuning_exam import Exam
from training.ears.windows import FRAME, make_window
from training.learning import Learner, halved, save_weights

BEYOND = 12  # frames that the teacher hears after the students' window
BUDGET = 6400  # frames of a batch
NEAR_END, NEAR_END_WEIGHT = 12, 2.0  # the last frames of a window, where a live head works, count more
HEAD_RATE = 4e-4
# For each student, the encoder's learning rate and the weight of hearing what the teacher hears.
STUDENTS = {"frozen": (0.0, 0.0), "gentle": (3e-5, 1.0), "free": (1.5e-4, 0.3), "hubert": (6e-4, 3.0)}
REPORT = 200  # steps between two reports and checkpoints


@dataclass(frozen=True)
class Batch:
    """b windows of n frames: what the students hear, what the teacher hears, and the labels."""

    sound: Tensor  # (b, 640 n)
    clean: Tensor  # (b, 640 (n + BEYOND))
    mouth: Tensor  # (b, n, 12) the real one, NaN where there is no video
    made: Tensor  # (b, n, 12) that of the coarticulation model, NaN where no phones are known
    asked: Tensor  # (b, n, kinds) NaN where no phones are known
    phones: Tensor  # (b, 2 n), UNKNOWN where no phones are known


class Source:
    """Makes batches, in processes of its own."""

    def __init__(self, work: Path):
        corpus = Corpus.load(work)
        self.corpus, self.labels = corpus, Labels(work, corpus, mouth_scales(corpus))
        self.coarticulation = Coarticulation.load(work / "coarticulation.npz")

    def batch(self, seed: int) -> list[np.ndarray]:
        """The parts of one `Batch` of about `BUDGET` frames, in its order."""
        rng = np.random.default_rng([seed, 11])
        n = int(rng.uniform(25, 150))
        rows: list[tuple[np.ndarray, ...]] = []
        for _ in range(BUDGET // n):
            window = make_window(self.corpus, rng, n + BEYOND)
            source, times = window.source[:n], window.time[:n]
            mouth, asked, phones = self.labels.of(source, times)
            made = np.full_like(mouth, np.nan)
            for number in {int(k) for k in source if k >= 0}:
                timing = self.labels.timing(number)
                if timing is not None and self.corpus[number].mouth is None:
                    made[source == number] = self.coarticulation.mouth(timing, times[source == number])
            rows.append((window.sound[: n * FRAME], window.clean, mouth, made, asked, phones))
        types = (np.float16, np.float16, np.float32, np.float32, np.float32, np.int64)
        return [np.stack(part).astype(kind) for part, kind in zip(zip(*rows, strict=True), types, strict=True)]


class WhisperEars(nn.Module):
    def __init__(self, encoder: WhisperEncoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, sound: Tensor) -> Tensor:
        """(b, 640 n) -> (b, 2 n, states, heard)."""
        with torch.autocast(sound.device.type, enabled=False):  # half precision would coarsen the spectrogram
            mel = log_mel(sound)
        return self.encoder(mel)


class HubertEars(nn.Module):
    """HuBERT's shape with the states of Whisper tiny: waveform in, no positions, no spectrogram."""

    CONFIG: ClassVar = {
        "hidden_size": 384, "num_hidden_layers": 4, "num_attention_heads": 6, "intermediate_size": 1280,
        "conv_dim": [128] * 7, "feat_extract_norm": "layer", "do_stable_layer_norm": True,
        "num_conv_pos_embeddings": 64, "mask_time_prob": 0.0, "layerdrop": 0.0, "hidden_dropout": 0.0,
        "attention_dropout": 0.0, "activation_dropout": 0.0, "feat_proj_dropout": 0.0,
    }  # fmt: skip

    def __init__(self) -> None:
        from transformers import HubertConfig, HubertModel

        super().__init__()
        self.encoder = HubertModel(HubertConfig(**self.CONFIG))

    def forward(self, sound: Tensor) -> Tensor:
        normal = (sound - sound.mean(1, keepdim=True)) / (sound.var(1, keepdim=True) + 1e-7).sqrt()
        states = self.encoder(F.pad(normal, (40, 40)), output_hidden_states=True).hidden_states
        return torch.stack(states, 2)


class Student:
    """An encoder and a head that learn together. An encoder with the rate 0 stays as it is."""

    def __init__(self, encoder: nn.Module, head: EarHead, rate: float, likeness: float, device: str):
        self.rate, self.likeness = rate, likeness  # the encoder's; the weight of hearing what the teacher hears
        encoder.requires_grad_(rate > 0)
        net = nn.ModuleDict({"encoder": encoder, "head": head.train()}).to(device)
        groups = [{"params": head.parameters(), "lr": HEAD_RATE, "weight_decay": 0.05}]
        if rate:
            groups.append({"params": encoder.parameters(), "lr": rate, "weight_decay": 0.01})
        self.learner = Learner(net, groups, horizon=330)

    @property
    def average(self) -> tuple[nn.Module, EarHead]:
        """Encoder and head with averaged weights."""
        return self.learner.average["encoder"], self.learner.average["head"]

    def loss(self, batch: Batch, taught: Tensor, pseudo: Tensor, opening: Tensor) -> tuple[Tensor, list[float]]:
        """The whole loss of a batch, and its parts.

        `taught` are the teacher's states, `pseudo` (b, n, 12) the mouths to learn where there is no video.
        """
        states = self.learner.net["encoder"](batch.sound)
        mouth, wanted, said = self.learner.net["head"](states)
        n = mouth.shape[1]
        row = torch.ones(n, device=mouth.device)
        row[-NEAR_END:] = NEAR_END_WEIGHT
        row[-BLIND:] = 0
        real = ~batch.mouth[..., :1].isnan()
        difference = mouth - torch.where(real, batch.mouth.nan_to_num(), pseudo)
        errors = (difference.square() * WEIGHT.to(mouth)).mean(-1) + (difference @ opening).square()
        weight = row * torch.where(real[..., 0], 1.0, 0.3)
        shape = (errors * weight).sum() / weight.sum()
        known = row * ~batch.asked[..., 0].isnan()
        crossed = F.binary_cross_entropy_with_logits(wanted, batch.asked.nan_to_num(), reduction="none").mean(-1)
        articulation = (crossed * known).sum() / known.sum().clamp(min=1)
        spoken = said[:, : 2 * (n - BLIND)].flatten(0, 1)
        targets = batch.phones[:, : 2 * (n - BLIND)].flatten()
        phone = F.cross_entropy(spoken, targets, ignore_index=UNKNOWN, label_smoothing=0.05)
        parts = [shape, articulation, phone]
        total = shape + 3 * articulation + 0.3 * phone
        if self.rate:
            heard = F.layer_norm(states, states.shape[-1:])
            alike = (heard - taught)[:, : 2 * (n - BLIND)].square().mean()
            total, parts = total + self.likeness * alike, [*parts, alike]
        return total, [float(part.detach()) for part in parts]


class Teacher:
    """Encoder and head that the students start from; they do not change."""

    def __init__(self, encoder: nn.Module, head: EarHead, device: str):
        self.encoder, self.head = copy.deepcopy(encoder).to(device).eval(), copy.deepcopy(head).to(device).eval()
        self.articulation = Articulation(MouthBasis.load())

    @torch.no_grad()
    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Normed states (b, 2 n, states, heard), and mouths (b, n, 12) to learn where there is no video."""
        n = batch.mouth.shape[1]
        states = self.encoder(batch.clean)
        mouth, wanted, _ = self.head(states)
        mouth, wanted = mouth[:, :n].float(), wanted[:, :n].float().sigmoid()
        mouth = torch.where(batch.made.isnan(), mouth, 0.5 * (mouth + batch.made.nan_to_num()))
        asked = torch.where(batch.asked.isnan(), wanted, batch.asked)
        soft = F.avg_pool1d(F.pad(asked.transpose(1, 2), (1, 1), "replicate"), 3, 1).transpose(1, 2)
        asked = 0.5 * (asked + soft)  # lips take a frame to get there
        flat = [part.flatten(0, 1).cpu().numpy() for part in (mouth, asked)]
        shaped = torch.from_numpy(self.articulation.apply(*flat)[:, :12]).view(mouth.shape).to(mouth)
        return F.layer_norm(states[:, : 2 * n].float(), states.shape[-1:]), shaped


def load_head(path: Path) -> EarHead:
    """The averaged head of a checkpoint of `training.ears.train`, with its phone output."""
    head = EarHead(EarHeadConfig(phones=len(PHONES)), DROPOUT)
    head.load_state_dict(torch.load(path, weights_only=True, map_location="cpu")["average"])
    return head


def save(student: Student, name: str, out: Path) -> None:
    """Write the averaged head, and the averaged encoder if it learned."""
    encoder, head = student.average
    save_weights(
        halved(head.state_dict()), out / f"{name}_head.safetensors", {"config": json.dumps(asdict(head.config))}
    )
    if student.rate:
        save_weights(halved(encoder.encoder.state_dict()), out / f"{name}.safetensors")


def moved(arrays: list[np.ndarray], device: str) -> Batch:
    parts = [torch.from_numpy(part).to(device, non_blocking=True) for part in arrays]
    return Batch(*(part.float() if part.is_floating_point() else part for part in parts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--head", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1368)
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--students", nargs="+", choices=STUDENTS, default=list(STUDENTS))
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    if args.device == "cpu":
        torch.set_num_threads(1)
    whisper, head = WhisperEars(WhisperEncoder.from_file(args.encoder)), load_head(args.head)
    teacher, students = Teacher(whisper, head, args.device), {}
    for name in args.students:
        rate, likeness = STUDENTS[name]
        encoder = HubertEars() if name == "hubert" else copy.deepcopy(whisper)
        students[name] = Student(encoder, copy.deepcopy(head), rate, likeness, args.device)
        students[name].learner.resume(args.out / f"{name}.pt")
    step = min(student.learner.step for student in students.values())
    source = Source(args.work)
    make_window(source.corpus, np.random.default_rng(0))  # the stored noises are made before the processes fork
    batches = made_ahead(source.batch, args.workers, step, depth=2 * args.workers + 2)
    exam, opening = Exam(args.work, args.device), torch.from_numpy(opening_direction(MouthBasis.load())).to(args.device)
    print(f"from step {step}; the teacher: {exam.report(teacher.encoder, teacher.head)}", flush=True)
    running: dict[str, np.ndarray] = {}
    half = torch.autocast(args.device, torch.bfloat16, enabled=args.device == "cuda")
    while step < args.steps:
        batch, step = moved(batches(), args.device), step + 1
        with half:
            taught, pseudo = teacher(batch)
        for name, student in students.items():
            with half:
                loss, parts = student.loss(batch, taught, pseudo, opening)
            student.learner.learn(loss, args.steps)
            running[name] = 0.98 * running.get(name, np.array(parts)) + 0.02 * np.array(parts)
        if step % REPORT == 0 or step == args.steps:
            for name, student in students.items():
                student.learner.save(args.out / f"{name}.pt")
                save(student, name, args.out)
                report = exam.report(*student.average, whole=step == args.steps)
                print(f"step {step}, {name}: losses {running[name].round(3)}, {report}", flush=True)


if __name__ == "__main__":
    main()
