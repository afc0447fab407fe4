"""Who says what: one sound for one person, a sound each, or one sound cut into speaker turns (RTTM).

Everybody's speech has the length of the whole; where somebody else speaks it is silent, so the lips stay shut.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from sonic_core.clip import Audio
from sonic_core.errors import InputError

FADE = 0.03  # seconds at both ends of a turn
QUIET, LOUD_SHARE = 10 ** (-50 / 20), 0.08  # RMS that is silence; the share of the loud moments' RMS that is speech
PAUSE = 0.4  # seconds of silence that do not end a turn
MOST_BYTES = 4 << 20  # of an RTTM file


@dataclass(frozen=True)
class Turn:
    """`speaker` talks from `start` for `seconds`."""

    speaker: str
    start: float
    seconds: float


def read_turns(path: Path) -> list[Turn]:
    """The turns of an RTTM file (NIST: `SPEAKER file channel start duration <NA> <NA> name ...`), in order of time.

    Raises InputError for a file that is none.
    """
    if not path.is_file():
        raise InputError(f"turns file {str(path)!r} does not exist; give an RTTM file")
    if path.stat().st_size > MOST_BYTES:
        raise InputError(f"turns file {str(path)!r} has {path.stat().st_size} bytes; an RTTM file is far smaller")
    turns = []
    for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
        words = line.split()
        if not words or words[0] != "SPEAKER":
            continue
        try:
            start, seconds, speaker = float(words[3]), float(words[4]), words[7]
        except (IndexError, ValueError):
            start = seconds = math.nan
        if not (math.isfinite(start) and math.isfinite(seconds) and start >= 0 and seconds > 0):
            raise InputError(
                f"line {number} of {str(path)!r} is {line[:80]!r}; "
                "write: SPEAKER file 1 START SECONDS <NA> <NA> NAME <NA> <NA>"
            )
        turns.append(Turn(speaker, start, seconds))
    if not turns:
        raise InputError(f"turns file {str(path)!r} holds no SPEAKER line; give an RTTM file")
    return sorted(turns, key=lambda turn: turn.start)


def speakers(turns: Sequence[Turn]) -> list[str]:
    """The speakers' names in the order in which they first talk."""
    return list(dict.fromkeys(turn.speaker for turn in turns))


def by_turns(audio: Audio, turns: Sequence[Turn]) -> dict[str, Audio]:
    """One sound a speaker, as long as the whole, silent where the others talk."""
    parts = {}
    for speaker in speakers(turns):
        share = np.zeros(audio.samples.shape[1], np.float32)
        for turn in turns:
            if turn.speaker == speaker:
                _open(share, turn, audio.rate)
        parts[speaker] = Audio(audio.samples * share, audio.rate)
    return parts


def _open(share: np.ndarray, turn: Turn, rate: int) -> None:
    first, last = round(turn.start * rate), min(round((turn.start + turn.seconds) * rate), len(share))
    if last <= first:
        return
    rise = np.minimum(np.arange(1, last - first + 1) / max(FADE * rate, 1), 1).astype(np.float32)
    np.maximum(share[first:last], np.minimum(rise, rise[::-1]), out=share[first:last])


def mixed(sounds: Sequence[Audio], levels: Sequence[float] | None = None) -> Audio:
    """The sum of sounds at the first one's rate, as long as the longest, each times its level; never clipped."""
    if len(sounds) == 1 and levels is None and np.abs(sounds[0].samples).max(initial=0.0) <= 1:
        return sounds[0]  # an hour of sound is not copied for nothing
    rate = sounds[0].rate
    resampled = [_at_rate(sound, rate) for sound in sounds]
    channels = max(samples.shape[0] for samples in resampled)
    total = np.zeros((channels, max(samples.shape[1] for samples in resampled)), np.float32)
    for samples, level in zip(resampled, levels or [1.0] * len(sounds), strict=True):
        total[:, : samples.shape[1]] += np.float32(level) * samples
    peak = float(np.abs(total).max(initial=0.0))
    return Audio(total / peak if peak > 1 else total, rate)


def _at_rate(sound: Audio, rate: int) -> np.ndarray:
    if sound.rate == rate:
        return sound.samples
    return soxr.resample(sound.samples.T, sound.rate, rate).T.astype(np.float32)


def by_channel(audio: Audio) -> list[Audio]:
    """One sound a channel: for a recording with one speaker on the left and one on the right."""
    if audio.samples.shape[0] < 2:
        raise InputError("the sound has one channel; for a speaker a channel give a stereo recording")
    return [Audio(channel[None], audio.rate) for channel in audio.samples]


def activity(audio: Audio, fps: float, count: int) -> np.ndarray:
    """(count,) bool at `fps`: somebody speaks. Pauses between words count as speech."""
    places = np.arange(count + 1) / fps * audio.rate
    edges = np.clip(np.round(places), 0, audio.samples.shape[1]).astype(int)
    power = np.concatenate([[0.0], np.cumsum(audio.mono().astype(np.float64) ** 2)])
    level = np.sqrt((power[edges[1:]] - power[edges[:-1]]) / np.maximum(np.diff(edges), 1))
    loud = level > max(QUIET, LOUD_SHARE * float(np.quantile(level, 0.95)))
    width = 2 * round(PAUSE / 2 * fps) + 1
    return np.convolve(loud, np.ones(width), "same")[:count] > 0.5
