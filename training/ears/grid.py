"""The GRID clips with tracked faces: 989 of one speaker (`grid_s1`), and 73 of four more (`grid_more`).

A clip's mouth is given by the coefficients of `MouthBasis` about its speaker's face at rest. Row i of the mouth belongs
to video frame i, and the sound starts with the first frame.

The tracks were made by MediaPipe's video mode, which smooths over time. On eleven clips its lips come 0.42 frames later
than those of the image mode, which does not smooth. Inverting a one-pole filter leaves 0.02 frames, and raises the
correlation of the two from 0.96 to 0.98.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from sonic_core.engines.lite.layout import MouthBasis
from training.ears.store import Utterance
from training.mouth_basis import HELD_OUT_CLIPS, frontal_landmarks, mirror_indices, symmetric, to_front

RATE, FPS = 16000, 25
TRACKER_POLE = 0.38  # share of the frame before in each tracked frame
UPPER_INNER_LIP, LOWER_INNER_LIP = 13, 14


def read_mono(path: Path) -> np.ndarray:
    """Any sound file as float32 (samples,) at 16 kHz."""
    import av

    resampler = av.AudioResampler("fltp", "mono", RATE)
    parts = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            parts += [out.to_ndarray()[0] for out in resampler.resample(frame)]
        parts += [out.to_ndarray()[0] for out in resampler.resample(None)]
    return np.concatenate(parts)


def speaker_one(data: Path) -> tuple[list[Utterance], list[Utterance]]:
    """The training clips and the held-out ones of `grid_s1`."""
    landmarks, lengths, names = frontal_landmarks(data)
    basis = MouthBasis.load()
    words = json.loads((data / "grid_s1" / "words.json").read_text())
    clips, start = [], 0
    for name, length in zip(names, lengths, strict=True):
        mouth = unsmoothed(basis.coefficients(landmarks[start : start + length] - basis.rest))
        sound = read_mono(data / "grid_s1" / "audio" / f"{name}.opus")
        said = " ".join(word for _, _, word in words[name] if word not in ("sil", "sp"))
        clips.append(Utterance(name, "s1", sound, mouth, said))
        start += length
    return clips[:-HELD_OUT_CLIPS], clips[-HELD_OUT_CLIPS:]


def more_speakers(data: Path) -> list[Utterance]:
    """The clips of `grid_more`, each about its speaker's face at rest: see `rest_face`."""
    faces = np.load(data / "faces" / "landmarks.npz")["landmarks"].astype(np.float64)
    mirror = mirror_indices(faces)
    turn, offset = to_front(np.load(data / "grid_s1" / "motion.npz")["mean"].astype(np.float64), mirror)
    stored = np.load(data / "grid_more" / "motion.npz")
    landmarks = symmetric(stored["landmarks"].astype(np.float64) @ turn + offset, mirror).astype(np.float32)
    names = [str(name) for name in stored["names"]]
    ends = np.cumsum(stored["lengths"])
    parts = [landmarks[end - length : end] for end, length in zip(ends, stored["lengths"], strict=True)]
    basis, clips = MouthBasis.load(), []
    for speaker in sorted({name.split("_")[0] for name in names}):
        own = [k for k, name in enumerate(names) if name.split("_")[0] == speaker]
        rest = rest_face([parts[k] for k in own])
        for k in own:
            sound = read_mono(data / "grid_more" / "audio" / f"{names[k]}.opus")
            mouth = unsmoothed(basis.coefficients(parts[k] - rest))
            clips.append(Utterance(names[k], speaker, sound, mouth, sentence(names[k].split("_")[1])))
    return clips


def unsmoothed(mouth: np.ndarray) -> np.ndarray:
    """Coefficients (n, c) without the tracker's smoothing over time."""
    out = mouth.copy()
    out[1:] = (mouth[1:] - TRACKER_POLE * mouth[:-1]) / (1 - TRACKER_POLE)
    return out


def rest_face(clips: list[np.ndarray]) -> np.ndarray:
    """(478, 3) a speaker's face at rest, from his clips (n, 478, 3).

    Every clip starts with silence. Of the first five frames of each, the third whose lips are closest is averaged.
    """
    silent = np.concatenate([clip[:5] for clip in clips])
    gap = np.linalg.norm(silent[:, UPPER_INNER_LIP] - silent[:, LOWER_INNER_LIP], axis=-1)
    return silent[gap <= np.quantile(gap, 0.3)].mean(0)


NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
GRAMMAR = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvwxyz"},
    dict(zip("z123456789", NUMBERS, strict=True)),
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)


def sentence(name: str) -> str:
    """The six words that the six letters of a GRID name stand for."""
    return " ".join(words[letter] for words, letter in zip(GRAMMAR, name, strict=True))
