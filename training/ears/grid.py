"""The GRID clips with tracked faces: one speaker at length (`grid_s1`), four more shortly (`grid_more`).

A clip's mouth is in the coefficients of `MouthBasis`, about its own speaker's rest. Row i of the mouth is the mouth in
video frame i. Sound starts with the first frame.

The tracks were made by MediaPipe's video mode, which smooths over time: against its image mode, which does not, lips
come 0.42 frames late on eleven clips. One pole, undone, brings them back to 0.02 frames and a correlation of 0.98 (from
0.96).
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
    """The clips of `grid_more`; each speaker's rest is the mean of the closed, silent starts of his clips."""
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
    """(n, c) tracked over time -> as each frame alone would have been tracked."""
    out = mouth.copy()
    out[1:] = (mouth[1:] - TRACKER_POLE * mouth[:-1]) / (1 - TRACKER_POLE)
    return out


def rest_face(clips: list[np.ndarray]) -> np.ndarray:
    """(478, 3) mean of the third with the nearest lips of the first five frames of each clip (n, 478, 3)."""
    silent = np.concatenate([clip[:5] for clip in clips])
    gap = np.linalg.norm(silent[:, UPPER_INNER_LIP] - silent[:, LOWER_INNER_LIP], axis=-1)
    return silent[gap <= np.quantile(gap, 0.3)].mean(0)


NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
GRAMMAR = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvwxyz"},
    dict(
        zip("z123456789", ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"], strict=True)
    ),
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)


def sentence(name: str) -> str:
    """The six words that the six letters of a GRID name stand for."""
    return " ".join(words[letter] for words, letter in zip(GRAMMAR, name, strict=True))
