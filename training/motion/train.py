"""Train the diffusion of head, lids, gaze and brows.

    python -m training.motion.train --data ../shared/data --work WORK [--hours 0.2] [--out FILE]

They learn from the `head_motion` tracks and their loudness. Resumes at WORK/motion.pt; logs the loss and, at the end,
how far two seeds agree, and the blinks a minute in silence.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from sonic_core.engines.lite import layout
from sonic_core.engines.lite.ears import Ears
from sonic_core.engines.lite.engine import AUDIO_GUIDANCE
from sonic_core.engines.lite.motion import MotionModel
from sonic_core.engines.lite.motion_net import MotionConfig, MotionNet
from sonic_core.engines.lite.motion_stream import FRAME_SAMPLES, KNOWN, Listener, MotionStream, whole
from sonic_core.settings import Settings
from training.motion import life

FRAMES = 128  # a training window, as many as `motion_stream` samples at once
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
        return torch.cat(list(whole(Listener(model, silence, frames), stream))).numpy()

    a, b = lived(0), lived(1)
    alike = float(np.corrcoef(a[:, 12], b[:, 12])[0, 1])
    blinks = life.blinks_a_minute(a[:, layout.LIDS].mean(1))
    spread = a.std(0)[[12, 13, 14, 18, 20, 22]].round(2)
    return f"silence: {blinks:.0f} blinks a minute, yaw of two seeds {alike:.2f}, yaw pitch roll lid gaze brow {spread}"


def save_net(net: MotionNet, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    weights = {key: value.detach().half().contiguous() for key, value in net.state_dict().items()}
    save_file(weights, part, metadata={"config": json.dumps(asdict(net.config))})
    os.replace(part, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=layout.WEIGHTS / "motion.safetensors")
    parser.add_argument("--hours", type=float, default=0.2)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    clips = life.load(args.data)
    lengths = np.array([len(clip.life) for clip in clips], np.float64)
    net, everything = MotionNet(MotionConfig()), np.concatenate([clip.life for clip in clips])
    net.mean.copy_(torch.from_numpy(everything.mean(0)))
    net.deviation.copy_(torch.from_numpy(everything.std(0)))
    average = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.rate, betas=(0.9, 0.98), weight_decay=0.01)
    checkpoint, step, spent = args.work / "motion.pt", 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    running, began = 0.0, time.time()
    while (elapsed := spent + time.time() - began) < args.hours * 3600:
        rng, generator = np.random.default_rng([step, 3]), torch.Generator().manual_seed(step)
        progress = elapsed / (args.hours * 3600)
        factor = min(1.0, (step + 1) / 200) * 0.5 * (1 + math.cos(math.pi * progress)) + 0.005
        for settings in optimizer.param_groups:
            settings["lr"] = args.rate * factor
        chosen = rng.choice(len(clips), size=args.batch, p=lengths / lengths.sum())
        pairs = [life.window(clips[k], FRAMES, rng) for k in chosen]
        clean, loud = (torch.from_numpy(np.stack(parts)) for parts in zip(*pairs, strict=True))
        style = torch.from_numpy(np.stack([clips[k].style for k in chosen]))
        total = loss(net, clean, loud, style, generator)
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), net.parameters(), strict=True):
                slow.lerp_(fast, 1 - min(0.999, 1 - 1 / (step + 1)))
        running = 0.99 * running + 0.01 * float(total.detach())
        if step % 500 == 0:
            state = {"net": net.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(state | {"step": step, "spent": spent + time.time() - began}, checkpoint.with_suffix(".part"))
            os.replace(checkpoint.with_suffix(".part"), checkpoint)
            print(f"{step} loss {running:.3f}", flush=True)
    save_net(average, args.out)
    print(evaluate(average.eval()), flush=True)


if __name__ == "__main__":
    main()
