"""Train one of the face networks: landmarks, detector, mouth, eye or identity.

    python -m training.face.train --data ../shared/data --out OUT --net NET --steps STEPS [--export FOLDER]

The data folder holds `faces/` and `grid_s1/`. A stopped run goes on from OUT/NET.pt; figures on held-out people go to
OUT/NET.log, one JSON line each. `--export` writes the averaged weights in half precision for the package
(sonic_core/face/weights); it works from a finished OUT, too.

The nets do not need each other. The shipped ones had 2,000 (landmarks), 900 (detector), 4,600 (mouth), 1,200 (eye) and
300 steps (identity), each well under an hour of one core; the landmark net was still improving slowly. The mouth net
had its first 1,600 steps without `recolour`, then 3,000 with it in three runs, each from the weights of the one before.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sonic_core.face.nets import DetectorNet, IdentityNet
from training.ahead import made_ahead
from training.face import data, detector, identity, landmarks, regions
from training.face.recolour import evened
from training.learning import Learner, halved, save_weights

SAVE_EVERY, LOG_EVERY = 100, 200
# For each net, the size of a batch and the peak learning rate.
RECIPES = {
    "landmarks": (48, 2e-3),
    "detector": (24, 2e-3),
    "mouth": (64, 3e-3),
    "eye": (64, 3e-3),
    "identity": (40, 2e-3),
}


def prefetched(make: Callable[[], tuple[Tensor, ...]]) -> Callable[[], tuple[Tensor, ...]]:
    """The batches that `make` returns, made ahead by another process."""
    batches = made_ahead(lambda _: tuple(part.numpy() for part in make()))
    return lambda: tuple(torch.from_numpy(part) for part in batches())


def run(
    name: str,
    net: nn.Module,
    step_loss: Callable[[nn.Module], Tensor],
    figures: Callable[[nn.Module], dict],
    args: argparse.Namespace,
    standard: np.ndarray | None = None,
) -> None:
    """Train `net`; its running average is what is measured and, if asked for, exported.

    `standard` (478, 3), the standard face, is written beside those weights with which the package needs it.
    """
    rate = RECIPES[name][1]
    learner = Learner(net, [{"params": net.parameters(), "lr": rate, "weight_decay": 0.01}], horizon=300)
    learner.resume(args.out / f"{name}.pt")
    began, total = time.time(), 0.0
    net.train()
    while learner.step < args.steps:
        loss = step_loss(net)
        learner.learn(loss, args.steps)
        total += loss.item()
        if learner.step % SAVE_EVERY == 0 or learner.step == args.steps:
            learner.save(args.out / f"{name}.pt")
        if learner.step % LOG_EVERY == 0 or learner.step == args.steps:
            line = {"step": learner.step, "loss": round(total / LOG_EVERY, 5), "seconds": round(time.time() - began)}
            with (args.out / f"{name}.log").open("a") as log:
                log.write(json.dumps(line | figures(learner.average)) + "\n")
            total = 0.0
    if args.export:
        face = {} if standard is None else {"standard": torch.from_numpy(standard).float()}
        save_weights(halved(learner.average.state_dict()) | face, args.export / f"{name}.safetensors")


def train_landmarks(args: argparse.Namespace, batch: int) -> None:
    train, held, warped, mean = landmarks.datasets(args.data, args.out)
    make, weights = landmarks.Batches(train, mean, seed=int(time.time())), landmarks.point_weights()
    batches = prefetched(lambda: make(batch))
    net = landmarks.start(mean, train).to(memory_format=torch.channels_last)
    run(
        "landmarks",
        net,
        lambda net: landmarks.loss(net, weights, *batches()),
        lambda net: landmarks.figures(net, held, warped, mean),
        args,
        mean,
    )


def train_detector(args: argparse.Namespace, batch: int) -> None:
    train, held = data.split(data.load(args.data / "faces"))
    make = detector.Scenes(train, seed=int(time.time()))
    scenes = prefetched(lambda: make(batch))
    net = DetectorNet().to(memory_format=torch.channels_last)
    run("detector", net, lambda net: detector.loss(net, *scenes()), lambda net: detector.figures(net, held), args)


def train_identity(args: argparse.Namespace, batch: int) -> None:
    train, held, warped, mean = landmarks.datasets(args.data, args.out)
    make = identity.Views(train, mean, seed=int(time.time()))
    views = prefetched(lambda: make(batch))
    net = IdentityNet().to(memory_format=torch.channels_last)
    run(
        "identity",
        net,
        lambda net: identity.loss(net, *views()),
        lambda net: identity.figures(net, data.joined(held, warped), mean),
        args,
        mean,
    )


def train_region(args: argparse.Namespace, batch: int, kind: str) -> None:
    train, held, warped, _ = landmarks.datasets(args.data, args.out)
    drawn = evened(train) if kind == "mouth" else train
    make, meet = regions.Crops(drawn, kind, seed=int(time.time())), regions.pairs(kind)
    crops = prefetched(lambda: make(batch))
    net = regions.start(kind, train).to(memory_format=torch.channels_last)
    run(
        kind,
        net,
        lambda net: regions.loss(net, meet, *crops()),
        lambda net: regions.figures(net, kind, held, warped),
        args,
    )


TRAINERS = {
    "landmarks": train_landmarks,
    "detector": train_detector,
    "mouth": partial(train_region, kind="mouth"),
    "eye": partial(train_region, kind="eye"),
    "identity": train_identity,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--net", choices=sorted(TRAINERS), required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--export", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    TRAINERS[args.net](args, RECIPES[args.net][0])


if __name__ == "__main__":
    main()
