"""Tune the ears as a whole: encoder and head together, on speech that is disturbed anew in every step.

    python -m training.ears.tune --work WORK --encoder FILE --head HEAD.pt --out FOLDER [--seconds 240]

Made for a few minutes of one GPU whose other cores disturb the speech; runs on a CPU too. What `training.ears.train`
made is the start and the teacher. The teacher hears every window clean and half a second longer than the students do,
who learn to hear the same through noise and without the future, so that one model serves offline and live. Real mouths
(GRID) count most. Where there is no video, the mouth is half the teacher's and half that of
`training.ears.coarticulation`, with lips that meet where the known phones close them.

Four students learn from the same batches: the head on the frozen encoder (`frozen`), the encoder tuned gently and
freely (`gentle`, `free`), and an encoder of HuBERT's shape that starts from nothing (`hubert`). FOLDER gets
NAME.safetensors (the encoder), NAME_head.safetensors, and what is printed: how the opening of the lips correlates with
real ones for strangers and held-out clips. The run stops by its own clock.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from sonic_core.engines.lite.articulation import Articulation
from sonic_core.engines.lite.ear_head import EarHead, EarHeadConfig
from sonic_core.engines.lite.layout import MouthBasis
from sonic_core.speech.log_mel import log_mel
from sonic_core.speech.whisper_encoder import WhisperEncoder
from training.ears.coarticulation import Coarticulation
from training.ears.corpus import Corpus
from training.ears.labels import UNKNOWN, Labels
from training.ears.phones import PHONES
from training.ears.train import BLIND, WEIGHT, mouth_scales, opening_direction
from training.ears.tuning_exam import Exam
from training.ears.windows import FRAME, make_window

BEYOND = 12  # frames that the teacher hears after the students' window
BUDGET = 6400  # frames of a batch
NEAR_END, NEAR_END_WEIGHT = 12, 2.0  # the last frames of a window, where a live head works, count more
HEAD_RATE, WARM_UP = 4e-4, 150
REPORT = 60  # seconds between two reports


@dataclass(frozen=True)
class Batch:
    """Of b windows of n frames: what students hear, what the teacher hears, and what is known."""

    sound: Tensor  # (b, 640 n)
    clean: Tensor  # (b, 640 (n + BEYOND))
    mouth: Tensor  # (b, n, 12) real, NaN where there is no video
    made: Tensor  # (b, n, 12) of the coarticulation model, NaN where no phones are known
    asked: Tensor  # (b, n, kinds) NaN where no phones are known
    phones: Tensor  # (b, 2 n)


class Source:
    """Draws batches; runs in processes of its own."""

    def __init__(self, work: Path):
        corpus = Corpus.load(work)
        self.corpus, self.labels = corpus, Labels(work, corpus, mouth_scales(corpus))
        self.coarticulation = Coarticulation.load(work / "coarticulation.npz")

    def batch(self, seed: int, budget: int) -> list[np.ndarray]:
        rng = np.random.default_rng([seed, 11])
        n = int(rng.uniform(25, 150))
        rows: list[tuple[np.ndarray, ...]] = []
        for _ in range(max(1, budget // n)):
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


def supply(source: Source, queue, first: int, step: int, budget: int) -> None:
    torch.set_num_threads(1)
    seed = first
    while True:
        queue.put(source.batch(seed, budget))
        seed += step


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
    """An encoder and a head that learn, and the moving average of their weights."""

    def __init__(self, encoder: nn.Module, head: EarHead, rate: float, likeness: float, device: str):
        self.rate, self.likeness = rate, likeness  # of the encoder; weight of hearing what the teacher hears
        self.encoder, self.head = encoder.to(device), head.to(device).train()
        for parameter in self.encoder.parameters():
            parameter.requires_grad_(rate > 0)
        self.slow_encoder, self.slow_head = copy.deepcopy(self.encoder).eval(), copy.deepcopy(self.head).eval()
        groups = [{"params": list(head.parameters()), "top": HEAD_RATE, "weight_decay": 0.05}]
        if rate:
            groups.append({"params": list(encoder.parameters()), "top": rate, "weight_decay": 0.01})
        self.optimizer = torch.optim.AdamW(groups, lr=HEAD_RATE, betas=(0.9, 0.98))

    def step(self, loss: Tensor, factor: float, steps: int) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = group["top"] * factor
        self.optimizer.zero_grad()
        loss.backward()
        for group in self.optimizer.param_groups:
            torch.nn.utils.clip_grad_norm_(group["params"], 1.0)
        self.optimizer.step()
        keep = min(0.997, 1 - 1 / (steps + 1))
        with torch.no_grad():
            for slow, fast in ((self.slow_encoder, self.encoder), (self.slow_head, self.head)):
                torch._foreach_lerp_(list(slow.parameters()), list(fast.parameters()), 1 - keep)

    def loss(self, batch: Batch, taught: Tensor, pseudo: Tensor, opening: Tensor) -> tuple[Tensor, list[float]]:
        """All lessons of one batch; `taught` are the teacher's states, `pseudo` mouths where none is real."""
        states = self.encoder(batch.sound)
        mouth, wanted, said = self.head(states)
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
    """What the students start from, unchanged."""

    def __init__(self, encoder: nn.Module, head: EarHead, device: str):
        self.encoder, self.head = copy.deepcopy(encoder).to(device).eval(), copy.deepcopy(head).to(device).eval()
        self.articulation = Articulation(MouthBasis.load())

    @torch.no_grad()
    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Normed states (b, 2 n, states, heard) and mouths (b, n, 12) for where there is no video."""
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
    head = EarHead(EarHeadConfig(phones=len(PHONES)), dropout=0.2)
    head.load_state_dict(torch.load(path, weights_only=True, map_location="cpu")["average"])
    return head


def save(student: Student, name: str, out: Path) -> None:
    """The averaged weights as float16."""

    def halves(module: nn.Module) -> dict[str, Tensor]:
        return {key: value.detach().half().cpu().contiguous() for key, value in module.state_dict().items()}

    files = {f"{name}_head": (halves(student.slow_head), {"config": json.dumps(asdict(student.head.config))})}
    if student.rate:
        files[name] = halves(student.slow_encoder.encoder), {}
    for stem, (weights, metadata) in files.items():
        part = out / f"{stem}.part"
        save_file(weights, part, metadata=metadata)
        os.replace(part, out / f"{stem}.safetensors")


def main() -> None:
    began = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--head", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=240, help="of training; the last report comes after it")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--budget", type=int, default=BUDGET)
    parser.add_argument("--students", nargs="+", default=["frozen", "gentle", "free", "hubert"])
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    args.out.mkdir(parents=True, exist_ok=True)
    device = args.device
    source = Source(args.work)
    make_window(source.corpus, np.random.default_rng(0))  # the stored noises are made before the processes fork
    context = multiprocessing.get_context("fork")
    queue = context.Queue(2 * args.workers + 2)
    workers = [
        context.Process(target=supply, args=(source, queue, k, args.workers, args.budget), daemon=True)
        for k in range(args.workers)
    ]
    for worker in workers:
        worker.start()
    whisper, head = WhisperEars(WhisperEncoder.from_file(args.encoder)), load_head(args.head)
    teacher = Teacher(whisper, head, device)
    made: dict[str, Callable[[], tuple[nn.Module, float, float]]] = {
        "frozen": lambda: (copy.deepcopy(whisper), 0.0, 0.0),
        "gentle": lambda: (copy.deepcopy(whisper), 3e-5, 1.0),
        "free": lambda: (copy.deepcopy(whisper), 1.5e-4, 0.3),
        "hubert": lambda: (HubertEars(), 6e-4, 3.0),
    }
    students = {}
    for name in args.students:
        encoder, rate, likeness = made[name]()
        students[name] = Student(encoder, copy.deepcopy(head), rate, likeness, device)
    exam = Exam(args.work, device)
    opening = torch.from_numpy(opening_direction(MouthBasis.load())).to(device)
    print(f"{time.monotonic() - began:.0f} s ready; start: {exam.report(teacher.encoder, teacher.head)}", flush=True)
    running: dict[str, np.ndarray] = {}
    steps, frames, reported = 0, 0, time.monotonic()
    while (spent := time.monotonic() - began) < args.seconds:
        arrays = queue.get(timeout=100)
        moved = [torch.from_numpy(part).to(device, non_blocking=True) for part in arrays]
        batch = Batch(*(part.float() if part.is_floating_point() else part for part in moved))
        factor = min(1.0, (steps + 1) / WARM_UP) * (0.5 * (1 + math.cos(math.pi * spent / args.seconds)) + 0.01)
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            taught, pseudo = teacher(batch)
        for name, student in students.items():
            with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                loss, parts = student.loss(batch, taught, pseudo, opening)
            student.step(loss, factor, steps)
            running[name] = 0.98 * running.get(name, np.array(parts)) + 0.02 * np.array(parts)
        steps, frames = steps + 1, frames + batch.mouth.shape[0] * batch.mouth.shape[1]
        if time.monotonic() - reported > REPORT or steps in (1, 50):
            reported = time.monotonic()
            print(f"{spent:.0f} s, {steps} steps, {frames / 90000:.1f} hours, {queue.qsize()} waiting", flush=True)
            for name, student in students.items():
                print(f"  {name} {running[name].round(3)}", flush=True)
                if steps > 50:
                    print(f"    {exam.report(student.slow_encoder, student.slow_head)}", flush=True)
                    save(student, name, args.out)
    for worker in workers:
        worker.terminate()
    print(f"{time.monotonic() - began:.0f} s, {steps} steps, {frames / 90000:.1f} hours of speech", flush=True)
    for name, student in students.items():
        save(student, name, args.out)
    for name, student in students.items():
        print(f"{name} {exam.report(student.slow_encoder, student.slow_head, whole=True)}", flush=True)
    print(f"{time.monotonic() - began:.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
