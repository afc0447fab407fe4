"""Carry the real mouth over to voices that have none.

    python -m training.speech.transfer_mouths --data ../shared/data --work WORK [--minutes 4]

1. Align: a first encoder (WORK/encoder.pt) says how likely each phone is in each frame; Viterbi with the known phones
   gives their timing wherever only their order is known; eSpeak tells its own.
2. Teach: a small network learns the real speaker's mouth from his aligned phones and loudness alone. It never hears
   the voice, so it fits any voice.
3. Carry: for every made utterance with timed phones, that network gives the mouth that belongs to it. In the
   held-out GRID sentences the real mouth itself is warped onto the other voice, phone by phone: with these the
   unheard voices are measured.

Writes WORK/carried.npz, which `corpus.py` picks up. Phones that GRID lacks borrow the mouth of a neighbour (SAME_LIPS).
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from training.speech.corpus import SILENCE, Utterance, grid, made_voices, split
from training.speech.model import Teacher, encoder_config
from training.speech.phones import INDEX, PHONES
from training.speech.train import COEFFICIENT_WEIGHT, correlation, opening_direction, predict

# Phones that look alike share a row of the teacher's input; those that GRID lacks have only their neighbour's.
SAME_LIPS = ("pbm", "fv", "θð", "tdn ŋ", "sz", "ʃʒʧʤ", "kɡ", "uʊ", "ɔɒY", "əɜ")
CLASSES = {INDEX[p]: INDEX[group[0]] for group in SAME_LIPS for p in group if p != " "}

QUIET = 0.45  # of `loudness_50`; above it nobody is silent


def align(log_probabilities: np.ndarray, phones: np.ndarray, loud: np.ndarray) -> np.ndarray:
    """Log-probabilities (frames, phones), the phones in order, loudness (frames,) -> states (frames,).

    State 2 k + 1 is phone k; even states are the silences before, between and after, which must be quiet: a young
    encoder calls everything silence that it does not know. A phone lasts at least one frame.
    """
    states = np.full(2 * len(phones) + 1, SILENCE)
    states[1::2] = phones
    spoken = np.arange(len(states)) % 2 == 1
    frames, n = len(log_probabilities), len(states)
    unsilent = np.where(np.resize(loud, frames) > QUIET, 6.0, 0.3)
    score = log_probabilities[:, states] - np.where(spoken, 0.0, unsilent[:, None])
    best = np.full(n, -np.inf)
    best[:2] = score[0, :2]
    back = np.zeros((frames, n), np.int8)
    for t in range(1, frames):
        stay = best
        step = np.concatenate([[-np.inf], best[:-1]])
        skip = np.concatenate([[-np.inf, -np.inf], best[:-2]])
        skip[~spoken] = -np.inf  # only silence is skipped
        choice = np.stack([stay, step, skip])
        back[t] = choice.argmax(0)
        best = choice.max(0) + score[t]
    at = n - 1 if best[n - 1] >= best[n - 2] else n - 2
    path = np.zeros(frames, int)
    for t in range(frames - 1, -1, -1):
        path[t] = at
        at -= int(back[t, at])
    return path


def aligned(model: Teacher, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
    """The phone of each frame (50 a second), and its place in the sequence (-1 in silence)."""
    logits, _ = predict(model, utterance.audio)
    path = align(logits, utterance.sequence, loudness_50(utterance.audio))
    track = np.where(path % 2 == 1, utterance.sequence[np.minimum(path // 2, len(utterance.sequence) - 1)], SILENCE)
    return track, np.where(path % 2 == 1, path // 2, -1)


def loudness_50(audio: np.ndarray) -> np.ndarray:
    """(frames,) 0 silent to 1 loud, 50 a second."""
    x = audio.astype(np.float32)[: len(audio) // 320 * 320].reshape(-1, 320)
    nats = 0.5 * np.log(np.square(x).mean(1) + 1e-9)
    return np.clip(1 + (nats - np.percentile(nats, 95)) / 5, 0, 1).astype(np.float32)


class Speaker(nn.Module):
    """Timed phones and loudness -> the mouth of GRID's speaker, 50 frames a second."""

    def __init__(self, width: int = 96):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(len(PHONES) + 1, width, 9, padding=4), nn.GELU(),
            nn.Conv1d(width, width, 9, padding=4), nn.GELU(),
            nn.Conv1d(width, width, 9, padding=4), nn.GELU(), nn.Conv1d(width, 12, 1),
        )  # fmt: skip

    def forward(self, phones: torch.Tensor, loud: torch.Tensor) -> torch.Tensor:
        """(b, frames) classes, (b, frames) -> (b, frames, 12)."""
        rows = F.one_hot(phones, len(PHONES)).float()
        return self.layers(torch.cat([rows, loud[..., None]], -1).transpose(1, 2)).transpose(1, 2)


def lips_class(track: np.ndarray) -> np.ndarray:
    """Phones -> classes that look alike; h takes the shape of what follows it."""
    track = track.copy()
    for k in range(len(track) - 2, -1, -1):
        if track[k] == INDEX["h"]:
            track[k] = track[k + 1]
    return np.array([CLASSES.get(int(phone), int(phone)) for phone in track], np.int64)


def mouth_50(mouth: np.ndarray, frames: int) -> np.ndarray:
    """(n, 12) at 25 a second -> (frames, 12) at 50."""
    at = np.clip((np.arange(frames) + 0.5) / 2 - 0.5, 0, len(mouth) - 1)
    return np.stack([np.interp(at, np.arange(len(mouth)), column) for column in mouth.T], 1).astype(np.float32)


def train_speaker(tracks: list, mouths: list, minutes: float) -> Speaker:
    torch.manual_seed(0)
    speaker = Speaker()
    optimizer = torch.optim.AdamW(speaker.parameters(), lr=2e-3, weight_decay=0.02)
    rng = np.random.default_rng(0)
    scale = torch.from_numpy(COEFFICIENT_WEIGHT)
    shortest = min(len(m) for m in mouths)
    began, step = time.time(), 0
    while (spent := (time.time() - began) / 60) < minutes:
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * (1 - spent / minutes) + 1e-5
        picked = rng.integers(len(tracks), size=32)
        phones = torch.from_numpy(np.stack([tracks[k][0][:shortest] for k in picked]))
        loud = torch.from_numpy(np.stack([tracks[k][1][:shortest] for k in picked]))
        loud = loud * torch.from_numpy(rng.uniform(0.85, 1.1, (32, 1)).astype(np.float32))
        target = torch.from_numpy(np.stack([mouths[k][:shortest] for k in picked]))
        loss = ((speaker(phones, loud) - target).square() * scale).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
    print(f"speaker: {step} steps, last loss {float(loss.detach()):.3f}", flush=True)
    return speaker.eval()


def warp(mouth: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """A mouth (frames, 12) whose frames lie at `source` places in a phone sequence, moved to a voice's `target` places.

    Places are phone numbers, -1 in silence; both sequences hold the same phones.
    """

    def anchors(places: np.ndarray) -> dict[int, tuple[int, int]]:
        """Phone number -> its first frame and the frame after its last."""
        numbers = set(places.tolist()) - {-1}
        return {k: (int(np.argmax(places == k)), int(len(places) - np.argmax(places[::-1] == k))) for k in numbers}

    a, b = anchors(source), anchors(target)
    shared = sorted(set(a) & set(b))
    # Beyond the first and the last phone, time runs as fast in both.
    xs, ys = [b[shared[0]][0] - 100.0], [a[shared[0]][0] - 100.0]
    for k in shared:
        for x, y in zip(b[k], a[k], strict=True):
            if x > xs[-1]:
                xs.append(float(x))
                ys.append(max(float(y), ys[-1]))
    xs.append(xs[-1] + 100.0)
    ys.append(ys[-1] + 100.0)
    at = np.interp(np.arange(len(target)) + 0.5, xs, ys) - 0.5
    at = np.clip(at, 0, len(mouth) - 1)
    return np.stack([np.interp(at, np.arange(len(mouth)), column) for column in mouth.T], 1).astype(np.float32)


def to_25(mouth: np.ndarray) -> np.ndarray:
    return mouth[: len(mouth) // 2 * 2].reshape(-1, 2, 12).mean(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=4.0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = Teacher(encoder_config())
    model.load_state_dict(torch.load(args.work / "encoder.pt", weights_only=True)["model"])

    clips = grid(args.data, args.work)
    out: dict[str, np.ndarray] = {}
    tracks, places, mouths = [], [], []
    for clip in clips:
        track, place = aligned(model, clip)
        out[f"phones s1 {clip.name}"] = track.astype(np.int8)
        tracks.append((lips_class(track), loudness_50(clip.audio)[: len(track)]))
        places.append(place)
        mouths.append(mouth_50(clip.mouth, len(track)))
    direction = opening_direction()
    train_tracks, test_tracks = split(tracks)
    train_mouths, test_mouths = split(mouths)
    speaker = train_speaker(train_tracks, train_mouths, args.minutes)

    @torch.inference_mode()
    def speak(phones: np.ndarray, loud: np.ndarray) -> np.ndarray:
        return speaker(torch.from_numpy(phones)[None], torch.from_numpy(loud)[None])[0].numpy()

    scores = [correlation(speak(*t) @ direction, m @ direction) for t, m in zip(test_tracks, test_mouths, strict=True)]
    print(f"mouth from phones and loudness, held-out clips: opening {np.mean(scores):.3f}", flush=True)

    timed: dict[str, np.ndarray] = {}  # the changed copies of a reading are timed as the reading
    for pattern in ("reader_*.npz", "kokoro_*.npz", "espeak_*.npz"):
        for utterance in made_voices(args.work / "voices", pattern):
            if utterance.phones is None:
                reading = f"{utterance.voice.rstrip('0123456789')} {utterance.name}"
                if reading not in timed:
                    timed[reading] = aligned(model, utterance)[0]
                track = timed[reading]
            else:  # eSpeak's own timing is exact
                track = utterance.phones[: len(utterance.phones) // 2 * 2 : 2].astype(np.int64)
            loud = loudness_50(utterance.audio)
            n = min(len(track), len(loud))
            key = f"{utterance.voice} {utterance.name}"
            out[f"phones {key}"] = track[:n].astype(np.int8)
            out[f"mouth {key}"] = to_25(speak(lips_class(track[:n]), loud[:n])).astype(np.float16)
    index = {clip.name: k for k, clip in enumerate(clips)}
    for utterance in made_voices(args.work / "voices", "held_out_*.npz"):
        k = index[utterance.name]
        logits, _ = predict(model, utterance.audio)
        path = align(logits, clips[k].sequence, loudness_50(utterance.audio))
        target = np.where(path % 2 == 1, path // 2, -1)
        out[f"mouth {utterance.voice} {utterance.name}"] = to_25(warp(mouths[k], places[k], target)).astype(np.float16)
    part = args.work / "carried.part.npz"
    np.savez(part, **out)
    os.replace(part, args.work / "carried.npz")
    print(f"{len(out)} tracks", flush=True)


if __name__ == "__main__":
    main()
