"""Train the bundled speech encoder.

    python -m training.speech.train --data ../shared/data --work WORK [--hours 0.9] [--out FOLDER]

One encoder, two lessons at once: which phone is being said (every voice that knows its phones) and where the real
speaker's mouth is (GRID, its voice-changed copies, and made voices whose mouth `carry.py` has carried over). The
schedule runs over wall-clock time. Stops and resumes at WORK/encoder.pt; logs, every few minutes, the correlation of
lip opening on the held-out clips, in the real voice and in voices kept out.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sonic_core.engines.lite.layout import MouthBasis
from training.speech import augment
from training.speech.corpus import (
    PHONE_RATE,
    RATE,
    SILENCE,
    Utterance,
    changed_voices,
    grid,
    made_voices,
    split,
    with_carried,
)
from training.speech.model import Teacher, encoder_config, save_encoder

SECONDS = 3.0
FRAMES = round(SECONDS * 50)
MARGIN = 2920  # (receptive field - hop) / 2 samples on either side, so that frame i is centred on (i + 0.5) / 50 s
LOWER_INNER_LIP, UPPER_INNER_LIP = 14, 13
COEFFICIENT_WEIGHT = np.float32([3, 2, 2, 1.5, 1, 1, 0.7, 0.7, 0.5, 0.5, 0.5, 0.5])


def opening_direction() -> np.ndarray:
    """(12,) what one unit of each mouth coefficient adds to the gap between the inner lips, unit length."""
    components = MouthBasis.load().components
    direction = components[:, LOWER_INNER_LIP, 1] - components[:, UPPER_INNER_LIP, 1]
    return (direction / np.linalg.norm(direction)).astype(np.float32)


def example(
    utterance: Utterance, rng: np.random.Generator, others: list[Utterance]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """One augmented window: waveform, phone per frame (-1 unknown), mouth per frame (nan unknown), weight."""
    samples = round(SECONDS * RATE)
    speed = float(np.exp(rng.uniform(-0.16, 0.2))) if rng.random() < 0.8 else 1.0
    sound = utterance.audio.astype(np.float32)
    spare = len(sound) / RATE - SECONDS * speed
    start = float(rng.uniform(min(spare, 0) * 0.7, max(spare, 0)))
    waveform = augment.resample(sound, speed, start - MARGIN * speed / RATE, samples + 2 * MARGIN)
    other = others[int(rng.integers(len(others)))].audio.astype(np.float32)
    murmur = np.resize(other, len(waveform))
    at = start + (np.arange(FRAMES) + 0.5) / 50 * speed  # the time in the utterance of each frame
    phones = np.full(FRAMES, SILENCE, np.int64)
    mouth = np.full((FRAMES, 12), np.nan, np.float32)
    inside = (at >= 0) & (at < len(sound) / RATE)
    if utterance.phones is not None:
        row = np.minimum((at * PHONE_RATE).astype(int), len(utterance.phones) - 1)
        phones[inside] = utterance.phones[row[inside]]
    else:
        phones[:] = -1
    if utterance.mouth is not None:
        # Before and after the clip the sound is silence, the mouth as it was at the end.
        place = np.clip(at * 25 - 0.5, 0, len(utterance.mouth) - 1)
        low = np.floor(place).astype(int)
        high, share = np.minimum(low + 1, len(utterance.mouth) - 1), (place - low)[:, None]
        mouth = (utterance.mouth[low] * (1 - share) + utterance.mouth[high] * share).astype(np.float32)
    if rng.random() < 0.03:  # nobody speaks: a room, or somebody far away
        waveform = augment.coloured_noise(len(waveform), rng) * 0.01
        swell = np.interp(np.linspace(0, 5, len(waveform)), np.arange(6), rng.uniform(0.1, 1, 6))
        waveform = (waveform * swell).astype(np.float32)
        phones[:], mouth[:] = SILENCE, 0.0
    waveform = augment.level(augment.degrade(waveform, rng, murmur), rng)
    return waveform.astype(np.float32), phones, mouth, utterance.weight


def losses(phone_logits: Tensor, mouth: Tensor, phones: Tensor, target: Tensor, weight: Tensor, opening: Tensor):
    """Cross entropy of phones; squared error of the mouth and, once more, of its opening."""
    phone = F.cross_entropy(phone_logits.flatten(0, 1), phones.flatten(), ignore_index=-1, label_smoothing=0.05)
    known = (~target[..., 0].isnan()).float() * weight[:, None]
    difference = (mouth - target.nan_to_num()) * known[..., None].sqrt()
    scale = torch.from_numpy(COEFFICIENT_WEIGHT)
    shape = (difference.square() * scale).sum() / (known.sum() * scale.sum()).clamp(min=1)
    gap = (difference @ opening).square().sum() / known.sum().clamp(min=1)
    return phone, shape, gap


def parameter_groups(model: Teacher) -> list[dict]:
    """The filter bank stays as it is: Adam's steps are as large as its weights and would erase it; the bands, whose
    weights are sparse, move slowly."""
    bank, bands = model.encoder.feature_extractor.conv_layers[:2]
    bank.requires_grad_(False)
    slow = {id(p) for p in bands.parameters()} | {id(p) for p in bank.parameters()}
    others = [p for p in model.parameters() if id(p) not in slow]
    return [{"params": others, "share": 1.0}, {"params": list(bands.parameters()), "share": 0.05}]


@torch.inference_mode()
def predict(model: Teacher, sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Phone log-probabilities (frames, phones) and mouth (frames, 12) at 50 Hz of a whole utterance."""
    model.eval()
    waveform = sound.astype(np.float32)
    waveform = (waveform - waveform.mean()) / np.sqrt(waveform.var() + 1e-7)
    waveform = np.pad(waveform, (MARGIN, MARGIN + 320))[: MARGIN * 2 + len(waveform) // 320 * 320]
    logits, mouth = model(torch.from_numpy(waveform)[None])
    return logits.log_softmax(-1)[0].numpy(), mouth[0].numpy()


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0


def evaluate(model: Teacher, sets: dict[str, list[Utterance]]) -> str:
    """Mean correlation of lip opening by set, and the share of frames whose phone is right."""
    direction, words = opening_direction(), []
    for name, utterances in sets.items():
        scores, hits = [], []
        for utterance in utterances:
            logits, mouth = predict(model, utterance.audio)
            if utterance.mouth is not None:
                at_25 = mouth[: len(mouth) // 2 * 2].reshape(-1, 2, 12).mean(1)
                n = min(len(at_25), len(utterance.mouth))
                scores.append(correlation(at_25[:n] @ direction, utterance.mouth[:n] @ direction))
            if utterance.phones is not None:
                n = min(len(logits), len(utterance.phones) // 2)
                hits.append(np.mean(logits[:n].argmax(-1) == utterance.phones[: 2 * n : 2]))
        words.append(f"{name}: lips {np.mean(scores) if scores else 0:.3f} phones {np.mean(hits) if hits else 0:.3f}")
    return "; ".join(words)


def load_sets(data: Path, work: Path) -> tuple[list[list[Utterance]], list[float], dict[str, list[Utterance]]]:
    """Training groups, how often each is drawn, and the held-out sets."""
    clips = with_carried(grid(data, work), work)
    train, test = split(clips)
    groups, shares, tests = [train], [0.2], {"s1": test[::2]}
    copies = changed_voices(clips, work)
    changed, size = [], len(clips)
    for k in range(len(copies) // size):
        part, held = split(copies[k * size : (k + 1) * size])
        changed += part
        tests[f"changed {k}"] = held[::5]
    if changed:
        groups.append(changed)
        shares.append(0.25)
    for pattern, share in (("kokoro_*.npz", 0.22), ("reader_*.npz", 0.22), ("espeak_*.npz", 0.26)):
        made = with_carried(made_voices(work / "voices", pattern), work)
        made = [u for u in made if u.phones is not None or u.mouth is not None]
        if made:
            groups.append(made)
            shares.append(share)
    for path in sorted((work / "voices").glob("held_out_*.npz")):
        made = with_carried(made_voices(work / "voices", path.name), work)
        tests[path.stem.removeprefix("held_out_")] = [replace(u, phones=None) for u in made if u.mouth is not None][:20]
    tests = {name: group for name, group in tests.items() if group}
    return groups, [share / sum(shares) for share in shares], tests


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("sonic_core/engines/lite/weights/hubert"))
    parser.add_argument("--hours", type=float, default=0.5)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    groups, shares, tests = load_sets(args.data, args.work)
    print({f"group {k}": len(g) for k, g in enumerate(groups)}, flush=True)
    model = Teacher(encoder_config())
    optimizer = torch.optim.AdamW(parameter_groups(model), lr=args.rate, betas=(0.9, 0.98), weight_decay=0.01)
    step, spent = 0, 0.0
    checkpoint = args.work / "encoder.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    opening = torch.from_numpy(opening_direction())
    running = np.zeros(3)
    began, saved = time.time(), time.time()
    while spent + time.time() - began < args.hours * 3600:
        rng = np.random.default_rng([step, 1])
        group = rng.choice(len(groups), size=args.batch, p=shares)
        picked = [groups[g][int(rng.integers(len(groups[g])))] for g in group]
        batch = [example(u, rng, groups[-1]) for u in picked]
        waveform, phones, mouth, weight = (torch.from_numpy(np.stack([b[k] for b in batch])) for k in range(3 + 1))
        progress = (spent + time.time() - began) / (args.hours * 3600)
        factor = min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))) + 0.005
        for settings in optimizer.param_groups:
            settings["lr"] = args.rate * factor * settings["share"]
        model.train()
        parts = losses(*model(waveform), phones, mouth, weight.float(), opening)
        loss = parts[0] + 1.0 * parts[1] + 0.5 * parts[2]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
        step += 1
        running += 0.02 * (np.array([float(p.detach()) for p in parts]) - running)
        if step % 100 == 0:
            now = spent + time.time() - began
            phone, mouth_error, gap = running
            print(f"step {step} {now:.0f} s phone {phone:.3f} mouth {mouth_error:.3f} opening {gap:.3f}", flush=True)
        if time.time() - saved > 240:
            save(checkpoint, model, optimizer, step, spent + time.time() - began)
            print(f"step {step}: {evaluate(model, tests)}", flush=True)
            saved = time.time()
    save(checkpoint, model, optimizer, step, spent + time.time() - began)
    save_encoder(model.encoder, args.out)
    print(f"done at step {step}: {evaluate(model, tests)}", flush=True)


def save(path: Path, model: Teacher, optimizer: torch.optim.Optimizer, step: int, spent: float) -> None:
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "spent": spent}
    torch.save(state, path.with_suffix(".part"))
    os.replace(path.with_suffix(".part"), path)


if __name__ == "__main__":
    main()
