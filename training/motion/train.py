"""Train the diffusion of head, lids, gaze and brows.

    python -m training.motion.train --data ../shared/data --work WORK [--steps 1310] [--out FILE]

It learns from the `head_motion` tracks and their loudness. A stopped run goes on from WORK/motion.pt. Prints the loss
and, at the end, how far two seeds agree and how often the eyes blink in silence.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sonic_core.engines.lite import layout
from sonic_core.engines.lite.ears import Ears
from sonic_core.engines.lite.engine import AUDIO_GUIDANCE
from sonic_core.engines.lite.motion import MotionModel
from sonic_core.engines.lite.motion_net import MotionConfig, MotionNet
from sonic_core.engines.lite.motion_stream import FRAME_SAMPLES, KNOWN, Listener, MotionStream, whole
from sonic_core.settings import Settings
from training.learning import Learner, halved, save_weights
from training.motion import life

FRAMES = 128  # a training window, as many as `motion_stream` samples at once
BATCH, RATE = 8, 1.5e-3
DROP = 0.1  # share of windows that hear nothing, for classifier-free guidance


def noisy_pair(clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Clean latents (b, n, c) -> scaled noisy latents, noise condition (b,), what the network should say."""
    sigma = torch.exp(0.4 + 1.5 * torch.randn(len(clean), 1, 1, generator=generator)).clamp(0.02, 60)
    noisy = clean + sigma * torch.randn(clean.shape, generator=generator)
    root = (sigma**2 + 1).sqrt()
    target = (clean - noisy / root**2) * root / -sigma
    return noisy / root, 0.25 * sigma.log()[:, 0, 0], target


def loss(net: MotionNet, clean: Tensor, loud: Tensor, style: Tensor, generator: torch.Generator) -> Tensor:
    noisy, noise, target = noisy_pair((clean - net.mean) / net.deviation, generator)
    context = net.context(loud[..., None])
    dropped = torch.rand(len(loud), 1, 1, generator=generator) < DROP
    context = torch.where(dropped, net.deaf, context)
    return (net(noisy, noise, context, style) - target).square().mean()


@torch.inference_mode()
def evaluate(net: MotionNet, seconds: float = 60.0) -> str:
    model, frames = MotionModel(Ears.from_folder(layout.WEIGHTS), net), round(seconds * layout.FPS)
    silence = np.zeros(frames * FRAME_SAMPLES, np.float32)

    def lived(seed: int) -> np.ndarray:
        stream = MotionStream(model, Settings(inference_steps=25, seed=seed), AUDIO_GUIDANCE, KNOWN)
        return torch.cat(list(whole(Listener(model, silence, frames).heard, frames, stream))).numpy()

    a, b = lived(0), lived(1)
    alike = float(np.corrcoef(a[:, 12], b[:, 12])[0, 1])
    blinks = life.blinks_a_minute(a[:, layout.LIDS].mean(1))
    spread = a.std(0)[[12, 13, 14, 18, 20, 22]].round(2)
    return f"silence: {blinks:.0f} blinks a minute, yaw of two seeds {alike:.2f}, yaw pitch roll lid gaze brow {spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=layout.WEIGHTS / "motion.safetensors")
    parser.add_argument("--steps", type=int, default=1310)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    clips = life.load(args.data)
    lengths = np.array([len(clip.life) for clip in clips], np.float64)
    net, everything = MotionNet(MotionConfig()), np.concatenate([clip.life for clip in clips])
    net.mean.copy_(torch.from_numpy(everything.mean(0)))
    net.deviation.copy_(torch.from_numpy(everything.std(0)))
    learner = Learner(net, [{"params": net.parameters(), "lr": RATE, "weight_decay": 0.01}], horizon=1000)
    checkpoint = args.work / "motion.pt"
    learner.resume(checkpoint)
    running = 0.0
    while learner.step < args.steps:
        rng = np.random.default_rng([learner.step, 3])
        generator = torch.Generator().manual_seed(learner.step)
        chosen = rng.choice(len(clips), size=BATCH, p=lengths / lengths.sum())
        pairs = [life.window(clips[k], FRAMES, rng) for k in chosen]
        clean, loud = (torch.from_numpy(np.stack(parts)) for parts in zip(*pairs, strict=True))
        style = torch.from_numpy(np.stack([clips[k].style for k in chosen]))
        total = loss(net, clean, loud, style, generator)
        learner.learn(total, args.steps)
        running = 0.99 * running + 0.01 * float(total.detach())
        if learner.step % 250 == 0 or learner.step == args.steps:
            learner.save(checkpoint)
            print(f"step {learner.step}: loss {running:.3f}", flush=True)
    average = learner.average
    save_weights(halved(average.state_dict()), args.out, {"config": json.dumps(asdict(average.config))})
    print(evaluate(average), flush=True)


if __name__ == "__main__":
    main()
