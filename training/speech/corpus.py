"""The speech that is learned from: GRID with its real lips, its voice-changed copies, and the made voices.

Every utterance is an `Utterance`: 16 kHz sound, phone per 10 ms or None, mouth per video frame or None. Timing is
one for all: mouth row i is the mouth at (i + 0.5) / 25 s, phone k at (k + 0.5) / 100 s.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np

from sonic_core.engines.lite.layout import MouthBasis
from training.mouth_basis import HELD_OUT_CLIPS, frontal_landmarks
from training.speech.phones import GRID, INDEX

RATE = 16000
PHONE_RATE = 100
SAMPLES_A_FRAME = RATE // 25
SILENCE = INDEX["_"]


@dataclass(frozen=True)
class Utterance:
    name: str
    voice: str
    audio: np.ndarray  # (samples,) float16
    phones: np.ndarray | None  # (frames at 100 Hz,) int8, -1 where unknown
    mouth: np.ndarray | None  # (frames at 25 Hz, 12) float32
    sequence: np.ndarray  # (n,) the phones in order, silences between words left out
    weight: float = 1.0  # how far the mouth is to be trusted


def read_mono(path: Path) -> np.ndarray:
    """Any sound file as float32 (samples,) at 16 kHz."""
    resampler = av.AudioResampler("fltp", "mono", RATE)
    parts = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            parts += [out.to_ndarray()[0] for out in resampler.resample(frame)]
        parts += [out.to_ndarray()[0] for out in resampler.resample(None)]
    return np.concatenate(parts)


def phone_track(phones: np.ndarray, ends: np.ndarray, frames: int) -> np.ndarray:
    """Phones with end times in seconds -> one phone per 10 ms."""
    times = (np.arange(frames) + 0.5) / PHONE_RATE
    at = np.searchsorted(ends, times, side="right")
    return np.where(at < len(phones), phones[np.minimum(at, len(phones) - 1)], SILENCE).astype(np.int8)


def grid(data: Path, cache: Path) -> list[Utterance]:
    """All 989 clips in their order; the last HELD_OUT_CLIPS are not for training."""
    words = json.loads((data / "grid_s1" / "words.json").read_text())
    stored = cache / "grid.npz"
    if not stored.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(stored, **_tracked_mouth(data))
    tracked = np.load(stored)
    mouth, audio = tracked["mouth"], tracked["audio"]
    out, end = [], 0
    for name, length in zip(tracked["names"].tolist(), tracked["lengths"].tolist(), strict=True):
        start, end = end, end + length
        phones, ends = _rough_phones(words[name])
        track = phone_track(phones, ends, length * 4)
        sound = audio[start * SAMPLES_A_FRAME : end * SAMPLES_A_FRAME]
        out.append(Utterance(name, "s1", sound, track, mouth[start:end], phones[phones != SILENCE]))
    return out


def _tracked_mouth(data: Path) -> dict[str, np.ndarray]:
    """Mouth coefficients and sound of all clips, end to end; the sound cut or padded to the frames."""
    landmarks, lengths, names = frontal_landmarks(data)
    basis = MouthBasis.load()
    mouth = np.concatenate([basis.coefficients(part - basis.rest) for part in np.array_split(landmarks, 20)])
    audio = []
    for name, length in zip(names, lengths, strict=True):
        sound = read_mono(data / "grid_s1" / "audio" / f"{name}.opus")
        samples = int(length) * SAMPLES_A_FRAME
        audio.append(np.pad(sound, (0, max(0, samples - len(sound))))[:samples].astype(np.float16))
    return {"mouth": mouth, "audio": np.concatenate(audio), "names": np.array(names), "lengths": lengths}


def _rough_phones(rows: list) -> tuple[np.ndarray, np.ndarray]:
    """Word timings -> phones, each word cut into equal parts: a start for the aligner."""
    phones, ends = [], []
    for start, end, word in rows:
        said = GRID[word]
        phones += [INDEX[p] for p in said]
        ends += list(start + (end - start) * (np.arange(len(said)) + 1) / len(said))
    return np.array(phones), np.array(ends)


def changed_voices(clips: list[Utterance], cache: Path) -> list[Utterance]:
    """The copies made by `world.py` (none if it has not run), with the original's labels and in its order."""
    out: list[Utterance] = []
    if not (cache / "grid_world.npz").exists():
        return out
    stored = np.load(cache / "grid_world.npz")
    for copy in sorted(k for k in stored.files if k.startswith("copy")):
        audio, start = stored[copy], 0
        for clip in clips:
            out.append(replace(clip, voice=f"s1-{copy}", audio=audio[start : start + len(clip.audio)]))
            start += len(clip.audio)
    return out


def made_voices(folder: Path, pattern: str = "kokoro_*.npz") -> list[Utterance]:
    """What `voices.py` has made so far."""
    out = []
    for path in sorted(folder.glob(pattern)):
        if path.name.endswith(".part.npz"):
            continue
        z = dict(np.load(path))
        ends_of = np.cumsum(z["samples"])
        phones_end = np.cumsum(z["phone_counts"])
        for k in range(len(ends_of)):
            sound = z["audio"][ends_of[k] - z["samples"][k] : ends_of[k]]
            rows = slice(phones_end[k] - z["phone_counts"][k], phones_end[k])
            phones, ends = z["phones"][rows], z["ends"][rows]
            timed = ends.any()
            track = phone_track(phones, ends, len(sound) * PHONE_RATE // RATE) if timed else None
            audio = (sound.astype(np.float32) / 32767).astype(np.float16)
            text, voice = str(z["text"][k]), str(z["voice"][k])
            out.append(Utterance(text, voice, audio, track, None, phones[phones != SILENCE]))
    return out


CARRIED_WEIGHT = 0.6  # a mouth made from phones is smoother than a real one


def with_carried(utterances: list[Utterance], cache: Path) -> list[Utterance]:
    """The same with the phone timing and, where they have no mouth, the mouth that `carry.py` found (if it has run)."""
    if not (cache / "carried.npz").exists():
        return utterances
    stored = np.load(cache / "carried.npz")
    known = set(stored.files)
    out = []
    for utterance in utterances:
        voice = "s1" if utterance.voice.startswith("s1") else utterance.voice
        phones, mouth = f"phones {voice} {utterance.name}", f"mouth {voice} {utterance.name}"
        if phones in known:
            utterance = replace(utterance, phones=stored[phones].repeat(PHONE_RATE // 50))
        if mouth in known and utterance.mouth is None:
            carried = stored[mouth].astype(np.float32)
            if abs(len(carried) - len(utterance.audio) / SAMPLES_A_FRAME) < 3:
                utterance = replace(utterance, mouth=carried, weight=CARRIED_WEIGHT)
        out.append(utterance)
    return out


def split(clips: list[Utterance]) -> tuple[list[Utterance], list[Utterance]]:
    """Training and held-out parts of GRID, or of one copy of it."""
    return clips[:-HELD_OUT_CLIPS], clips[-HELD_OUT_CLIPS:]
