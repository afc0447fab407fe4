"""Utterances of one kind in one file, their sounds and mouths joined end to end."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Utterance:
    """The sound of an utterance, its mouth if there is video, and its words if they are known."""

    name: str
    voice: str
    sound: np.ndarray  # (samples,) float32 at 16 kHz
    mouth: np.ndarray | None = None  # (n, 12) at 25 fps
    words: str = ""


def save(utterances: list[Utterance], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    empty = np.zeros((0, 12), np.float32)
    mouths = [empty if u.mouth is None else u.mouth for u in utterances]
    part = path.with_name(path.stem + ".part.npz")
    np.savez(
        part,
        sound=np.concatenate([u.sound for u in utterances]).astype(np.float16),
        samples=np.array([len(u.sound) for u in utterances]),
        mouth=np.concatenate(mouths).astype(np.float32),
        frames=np.array([len(m) for m in mouths]),
        names=np.array([u.name for u in utterances]),
        voices=np.array([u.voice for u in utterances]),
        words=np.array([u.words for u in utterances]),
    )
    os.replace(part, path)


def load(path: Path) -> list[Utterance]:
    stored = dict(np.load(path))
    sound_ends, mouth_ends = np.cumsum(stored["samples"]), np.cumsum(stored["frames"])
    out = []
    for k, (end, row) in enumerate(zip(sound_ends, mouth_ends, strict=True)):
        sound = stored["sound"][end - stored["samples"][k] : end].astype(np.float32)
        mouth = stored["mouth"][row - stored["frames"][k] : row]
        named = (str(stored[key][k]) for key in ("names", "voices"))
        out.append(Utterance(*named, sound, mouth if len(mouth) else None, str(stored["words"][k])))
    return out
