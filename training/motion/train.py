"""Train the bundled motion diffusion model on the finished speech encoder.

    python -m training.motion.train --data ../shared/data --work WORK [--hours 0.3] [--hubert FOLDER] [--out FILE]

The mouth learns from GRID and from the voices that carry its mouth, heard through the frozen encoder under the same
augmentation; head, lids, gaze and brows learn from the `head_motion` tracks and their loudness. The two kinds of
recording never meet in one example, but it is one latent, one noise level and one optimiser. Resumes at
WORK/motion.pt; logs the correlation of sampled lip opening on the held-out clips, how far two seeds agree in lips
and head, and blinks a minute in silence.
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
from sonic_core.engines.lite.motion import MotionModel
from sonic_core.engines.lite.motion_net import MotionConfig, MotionNet, noise_features
from sonic_core.speech.hubert import SpeechEncoder
from training.motion import life
from training.speech.train import COEFFICIENT_WEIGHT, correlation, example, load_sets, opening_direction

FRAMES = 128  # a training window, as `motion.WINDOW`
# Faces are given as noise: the recordings show too few to learn from, so the network learns not to mind.
FACE_NOISE = 0.3
DROP = 0.1  # share of windows that hear nothing, for classifier-free guidance


def hear(encoder: SpeechEncoder, waveform: np.ndarray) -> np.ndarray:
    """An augmented, already levelled window -> (video frames, 2 * width) float16."""
    with torch.inference_mode():
        hidden = encoder.model(torch.from_numpy(waveform)[None]).last_hidden_state[0]
    return hidden.reshape(len(hidden) // 2, -1).half().numpy()


def make_windows(encoder: SpeechEncoder, args: argparse.Namespace, count: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` augmented windows with a known mouth: heard (count, 75, 384) and mouth (count, 75, 12), both float16."""
    groups, shares, _ = load_sets(args.data, args.work)
    groups = [[u for u in group if u.mouth is not None and u.weight > 0] for group in groups]
    shares = np.array([share * bool(group) for share, group in zip(shares, groups, strict=True)])
    heard, mouths = [], []
    for k in range(count):
        rng = np.random.default_rng([k, 2])
        group = groups[int(rng.choice(len(groups), p=shares / shares.sum()))]
        waveform, _, mouth, _ = example(group[int(rng.integers(len(group)))], rng, groups[0])
        if k % 40 == 0:  # digital silence
            waveform, mouth = np.zeros_like(waveform), np.zeros_like(mouth)
        heard.append(hear(encoder, waveform))
        mouths.append(mouth.reshape(len(mouth) // 2, 2, -1).mean(1).astype(np.float16))
        if k % 500 == 0:
            print(f"window {k} of {count}", flush=True)
    return np.stack(heard), np.stack(mouths)


def noisy_pair(clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Clean latents (b, n, c) -> scaled noisy latents, noise condition (b,), what the network should say."""
    sigma = torch.exp(0.4 + 1.5 * torch.randn(len(clean), 1, 1, generator=generator)).clamp(0.02, 60)
    noisy = clean + sigma * torch.randn(clean.shape, generator=generator)
    root = (sigma**2 + 1).sqrt()
    target = (clean - noisy / root**2) * root / -sigma
    return noisy / root, 0.25 * sigma.log()[:, 0, 0], target


def mouth_loss(net: MotionNet, heard: Tensor, mouth: Tensor, generator: torch.Generator, opening: Tensor) -> Tensor:
    mean, deviation = net.mean[layout.MOUTH], net.deviation[layout.MOUTH]
    noisy, noise, target = noisy_pair((mouth - mean) / deviation, generator)
    context = net.mouth.context(heard)
    dropped = torch.rand(len(heard), 1, 1, generator=generator) < DROP
    context = torch.where(dropped, net.mouth.deaf, context)
    error = net.mouth(noisy, noise_features(noise), context, faces(net, len(heard), generator), None) - target
    scale = torch.from_numpy(COEFFICIENT_WEIGHT)
    gap = ((error * deviation) @ opening).square().mean()
    return (error.square() * scale).mean() / scale.mean() + 0.5 * gap


def life_loss(net: MotionNet, clean: Tensor, loud: Tensor, style: Tensor, generator: torch.Generator) -> Tensor:
    part = slice(layout.MOUTH_CHANNELS, None)
    noisy, noise, target = noisy_pair((clean - net.mean[part]) / net.deviation[part], generator)
    context = net.life.context(loud[..., None])
    dropped = torch.rand(len(loud), 1, 1, generator=generator) < DROP
    context = torch.where(dropped, net.life.deaf, context)
    output = net.life(noisy, noise_features(noise), context, faces(net, len(loud), generator), style)
    return (output - target).square().mean()


def faces(net: MotionNet, count: int, generator: torch.Generator) -> Tensor:
    return FACE_NOISE * torch.randn(count, net.config.face_width, generator=generator)


@torch.inference_mode()
def evaluate(net: MotionNet, encoder: SpeechEncoder, tests: dict, seconds_silent: float = 60.0) -> str:
    model, direction, words = MotionModel(encoder, net), opening_direction(), []
    for name, utterances in tests.items():
        scores, lips, heads = [], [], []
        for utterance in utterances[:20]:
            heard = model.listen(utterance.audio.astype(np.float32), len(utterance.mouth))
            a, b = (model.sample(heard, seed=seed).numpy() for seed in (0, 1))
            scores.append(correlation(a[:, :12] @ direction, utterance.mouth @ direction))
            lips.append(correlation(a[:, :12] @ direction, b[:, :12] @ direction))
            heads.append(correlation(a[:, 12], b[:, 12]))
        words.append(f"{name}: lips {np.mean(scores):.3f} (seeds {np.mean(lips):.3f}, yaw {np.mean(heads):.2f})")
    frames = round(seconds_silent * layout.FPS)
    silent = model.sample(model.listen(np.zeros(frames * 640, np.float32), frames), seed=2).numpy()
    blinks = life.blinks_a_minute(silent[:, layout.LIDS].mean(1))
    opened = np.percentile(silent[:, :12] @ direction, [5, 50, 95]).round(2)
    spread = silent.std(0)[[12, 13, 14, 18, 20, 22]].round(2)
    words.append(f"silence: opening {opened}, {blinks:.0f} blinks a minute, yaw pitch roll lid gaze brow vary {spread}")
    return "; ".join(words)


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
    parser.add_argument("--hubert", type=Path, default=layout.WEIGHTS / "hubert")
    parser.add_argument("--out", type=Path, default=layout.WEIGHTS / "motion.safetensors")
    parser.add_argument("--hours", type=float, default=0.3)
    parser.add_argument("--windows", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    encoder = SpeechEncoder.from_folder(args.hubert)
    stored = args.work / "motion_windows.npz"
    if not stored.exists():
        heard, mouths = make_windows(encoder, args, args.windows)
        np.savez(stored, heard=heard, mouths=mouths)
    windows = np.load(stored)
    heard, mouths = windows["heard"], windows["mouths"]
    clips = life.load(args.data)
    lengths = np.array([len(clip.life) for clip in clips], np.float64)
    _, _, tests = load_sets(args.data, args.work)

    net = MotionNet(MotionConfig())
    everything = np.concatenate([clip.life for clip in clips])
    mouth_deviation = mouths.reshape(-1, 12).astype(np.float32).std(0)
    net.mean.copy_(torch.from_numpy(np.concatenate([np.zeros(12, np.float32), everything.mean(0)])))
    net.deviation.copy_(torch.from_numpy(np.concatenate([mouth_deviation, everything.std(0)])))
    average = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.rate, betas=(0.9, 0.98), weight_decay=0.01)
    step, spent = 0, 0.0
    checkpoint = args.work / "motion.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    opening = torch.from_numpy(opening_direction())
    running = np.zeros(2)
    began = saved = time.time()

    def save() -> None:
        state = {"net": net.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save(state | {"step": step, "spent": spent + time.time() - began}, checkpoint.with_suffix(".part"))
        os.replace(checkpoint.with_suffix(".part"), checkpoint)
        save_net(average, args.out)

    while spent + time.time() - began < args.hours * 3600:
        rng = np.random.default_rng([step, 3])
        generator = torch.Generator().manual_seed(step)
        progress = (spent + time.time() - began) / (args.hours * 3600)
        factor = min(1.0, (step + 1) / 200) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))) + 0.005
        for settings in optimizer.param_groups:
            settings["lr"] = args.rate * factor
        # Two stored windows end to end, from a random frame: mouths that speak, rest and speak again.
        pairs = rng.integers(len(heard), size=(args.batch, 2))
        start = int(rng.integers(2 * heard.shape[1] - FRAMES + 1))
        picked_heard = np.concatenate([heard[pairs[:, 0]], heard[pairs[:, 1]]], 1)[:, start : start + FRAMES]
        picked_mouth = np.concatenate([mouths[pairs[:, 0]], mouths[pairs[:, 1]]], 1)[:, start : start + FRAMES]
        chosen = rng.choice(len(clips), size=args.batch, p=lengths / lengths.sum())
        lives = [life.window(clips[k], FRAMES, rng) for k in chosen]
        loss_mouth = mouth_loss(
            net, torch.from_numpy(picked_heard).float(), torch.from_numpy(picked_mouth).float(), generator, opening
        )
        loss_life = life_loss(
            net,
            torch.from_numpy(np.stack([part for part, _ in lives])),
            torch.from_numpy(np.stack([loud for _, loud in lives])),
            torch.from_numpy(np.stack([clips[k].style for k in chosen])),
            generator,
        )
        optimizer.zero_grad()
        (loss_mouth + loss_life).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1
        with torch.no_grad():
            keep = min(0.999, step / (step + 10))
            for slow, fast in zip(average.parameters(), net.parameters(), strict=True):
                slow.lerp_(fast, 1 - keep)
        running += 0.02 * (np.array([float(loss_mouth.detach()), float(loss_life.detach())]) - running)
        if step % 100 == 0:
            now = spent + time.time() - began
            print(f"step {step} {now:.0f} s mouth {running[0]:.3f} life {running[1]:.3f}", flush=True)
        if time.time() - saved > 300:
            save()
            print(f"step {step}: {evaluate(average, encoder, {'s1': tests['s1'][:6]})}", flush=True)
            saved = time.time()
    save()
    print(f"done at step {step}: {evaluate(average, encoder, tests)}", flush=True)


if __name__ == "__main__":
    main()
