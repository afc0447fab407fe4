"""Trains the face networks: `python -m training.face.train --data DIR --out DIR [--net NET ...] [--export FOLDER]`.

DIR holds `faces/` and `grid_s1/`. Each net writes OUT/NET.pt every 100 steps and goes on from it when started again
with the same OUT; held-out figures go to OUT/NET.log, one JSON line each. `--export FOLDER` writes float16
safetensors of the averaged weights for the package (sonic_core/face/weights), also from a finished OUT.

The order does not matter: landmarks (data.py, warp.py, augment.py, landmarks.py), detector (detector.py), mouth and eye
(regions.py), identity (identity.py). The shipped nets had 2,000, 900, 1,600, 1,200 and 300 steps, well under an hour of
one core each; the landmark net was still improving slowly.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import queue
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from sonic_core.face.nets import DetectorNet, IdentityNet
from training.face import data, detector, identity, landmarks, regions

SAVE_EVERY, LOG_EVERY = 100, 200
# Steps, batch and peak learning rate of each net, unless given.
RECIPES = {
    "landmarks": (3000, 48, 2e-3),
    "detector": (2000, 24, 2e-3),
    "mouth": (1600, 64, 3e-3),
    "eye": (1200, 64, 3e-3),
    "identity": (1000, 40, 2e-3),
}


def prefetched(make: Callable[[], tuple[Tensor, ...]], depth: int = 3) -> Callable[[], tuple[Tensor, ...]]:
    """The same batches, made by a process of their own while the net learns."""
    context = multiprocessing.get_context("fork")
    batches = context.Queue(depth)
    parent = os.getpid()

    def work() -> None:
        torch.set_num_threads(1)
        cv2.setNumThreads(0)
        while True:
            batch = tuple(part.numpy() for part in make())
            while os.getppid() == parent:  # a killed trainer must not leave this waiting for ever
                try:
                    batches.put(batch, timeout=5)
                    break
                except queue.Full:
                    continue
            else:
                return

    context.Process(target=work, daemon=True).start()
    return lambda: tuple(torch.from_numpy(part) for part in batches.get())


def running_average(averages: list[Tensor], currents: list[Tensor], count: Tensor) -> None:
    """Exponential average over some 300 steps, shorter at first so that the first guesses are forgotten."""
    share = max(1 / 300, 1 / (1 + 0.2 * int(count)))
    for average, current in zip(averages, currents, strict=True):
        if average.is_floating_point():
            average.lerp_(current, share)
        else:
            average.copy_(current)


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Warm up over 200 steps, then a half cosine to 2 % of the peak."""
    return peak * min((step + 1) / 200, 0.02 + 0.98 * 0.5 * (1 + float(np.cos(np.pi * min(step / steps, 1.0)))))


def run(
    name: str,
    net: nn.Module,
    step_loss: Callable[[nn.Module], Tensor],
    figures: Callable[[nn.Module], dict],
    args: argparse.Namespace,
) -> nn.Module:
    """Train `net`; returns its running average, which is what is measured and exported."""
    path = args.out / f"{name}.pt"
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.01, betas=(0.9, 0.98))
    average = AveragedModel(net, multi_avg_fn=running_average, use_buffers=True)
    step = 0
    if path.exists():
        state = torch.load(path, weights_only=True)
        net.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    elif args.start is not None:
        start = torch.load(args.start, weights_only=True)["average"]
        net.load_state_dict({key.removeprefix("module."): value for key, value in start.items() if key != "n_averaged"})
        average.module.load_state_dict(net.state_dict())
    began, total = time.time(), 0.0
    while step < args.steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.steps, args.rate)
        net.train()
        loss = step_loss(net)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(net)
        step, total = step + 1, total + loss.item()
        if step % SAVE_EVERY == 0 or step == args.steps:
            state = {
                "net": net.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step,
            }
            torch.save(state, path.with_suffix(".tmp"))
            os.replace(path.with_suffix(".tmp"), path)
        if step % LOG_EVERY == 0 or step == args.steps:
            average.eval()
            line = {
                "step": step,
                "loss": round(total / LOG_EVERY, 5),
                "seconds": round(time.time() - began),
                **figures(average.module),
            }
            with (args.out / f"{name}.log").open("a") as log:
                log.write(json.dumps(line) + "\n")
            total = 0.0
    return average.module.eval()


def export(net: nn.Module, path: Path, extra: dict[str, np.ndarray]) -> None:
    tensors = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in net.state_dict().items()
    }
    tensors |= {key: torch.from_numpy(value).float().contiguous() for key, value in extra.items()}
    save_file(tensors, path.with_suffix(".tmp"))
    os.replace(path.with_suffix(".tmp"), path)


def train_landmarks(args: argparse.Namespace) -> None:
    train, held, warped, mean = landmarks.datasets(args.data, args.out)
    make, weights = landmarks.Batches(train, mean, seed=int(time.time())), landmarks.point_weights()
    batches = prefetched(lambda: make(args.batch))
    net = landmarks.start(mean, train).to(memory_format=torch.channels_last)
    net = run(
        "landmarks",
        net,
        lambda net: landmarks.loss(net, weights, *batches()),
        lambda net: landmarks.figures(net, held, warped, mean),
        args,
    )
    if args.export:
        export(net, args.export / "landmarks.safetensors", {"standard": mean})


def train_detector(args: argparse.Namespace) -> None:
    train, held = data.split(data.load(args.data / "faces"))
    make = detector.Scenes(train, seed=int(time.time()))
    scenes = prefetched(lambda: make(args.batch))
    net = DetectorNet().to(memory_format=torch.channels_last)
    net = run("detector", net, lambda net: detector.loss(net, *scenes()), lambda net: detector.figures(net, held), args)
    if args.export:
        export(net, args.export / "detector.safetensors", {})


def train_identity(args: argparse.Namespace) -> None:
    train, held, warped, mean = landmarks.datasets(args.data, args.out)
    make = identity.Views(train, mean, seed=int(time.time()))
    views = prefetched(lambda: make(args.batch))
    net = IdentityNet().to(memory_format=torch.channels_last)
    net = run(
        "identity",
        net,
        lambda net: identity.loss(net, *views()),
        lambda net: identity.figures(net, data.joined(held, warped), mean),
        args,
    )
    if args.export:
        export(net, args.export / "identity.safetensors", {"standard": mean})


def train_region(args: argparse.Namespace, kind: str) -> None:
    train, held, warped, _ = landmarks.datasets(args.data, args.out)
    make, meet = regions.Crops(train, kind, seed=int(time.time())), regions.pairs(kind)
    crops = prefetched(lambda: make(args.batch))
    net = regions.start(kind, train).to(memory_format=torch.channels_last)
    net = run(
        kind,
        net,
        lambda net: regions.loss(net, meet, *crops()),
        lambda net: regions.figures(net, kind, held, warped),
        args,
    )
    if args.export:
        export(net, args.export / f"{kind}.safetensors", {})


TRAINERS = {
    "landmarks": train_landmarks,
    "detector": train_detector,
    "mouth": lambda args: train_region(args, "mouth"),
    "eye": lambda args: train_region(args, "eye"),
    "identity": train_identity,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--net", choices=sorted(TRAINERS), nargs="*", default=sorted(TRAINERS))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--start", type=Path, help="a checkpoint to take the first weights from")
    parser.add_argument("--export", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    for name in args.net:
        steps, batch, rate = RECIPES[name]
        chosen = {"steps": args.steps or steps, "batch": args.batch or batch, "rate": args.rate or rate}
        TRAINERS[name](argparse.Namespace(**(vars(args) | chosen)))


if __name__ == "__main__":
    main()
