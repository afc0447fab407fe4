"""Who says what: one sound for one person, one for each of several, or one sound cut into speaker turns (RTTM).

Each person's speech is as long as the whole and silent while others speak, so that the lips stay shut.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sonic_core.clip import Audio, LazyAudio
from sonic_core.errors import InputError
from sonic_core.media.level import QUIET
from sonic_core.media.stored_sound import mixed_down, resampled

FADE = 0.03  # seconds at both ends of a turn
LOUD_SHARE = 0.08  # share of the loud parts' RMS from which on somebody speaks
PAUSE = 0.4  # seconds of silence within a turn
MOST_BYTES = 4 << 20  # of an RTTM file


@dataclass(frozen=True)
class Turn:
    """`speaker` talks from `start` for `seconds`."""

    speaker: str
    start: float
    seconds: float


def read_turns(path: Path) -> list[Turn]:
    """The turns of an RTTM file (NIST: `SPEAKER file channel start duration <NA> <NA> name ...`), in order of time.

    Raises InputError for any other file.
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
    """One sound for each speaker, as long as the whole and silent while the others talk.

    Raises InputError for turns that all begin after the end of the sound.
    """
    first = min(turn.start for turn in turns)
    if first >= audio.seconds:
        raise InputError(
            f"the turns begin at {first:.2f} s but the sound ends at {audio.seconds:.2f} s; give those of this sound"
        )
    return {
        speaker: gated(audio, [(turn.start, turn.start + turn.seconds) for turn in turns if turn.speaker == speaker])
        for speaker in speakers(turns)
    }


def gated(audio: Audio, spans: Sequence[tuple[float, float]]) -> Audio:
    """The sound within the spans (start, end), in seconds, and silence elsewhere."""
    edges = [(round(start * audio.rate), min(round(end * audio.rate), audio.length)) for start, end in spans]

    def fetch(start: int, stop: int) -> np.ndarray:
        share = np.zeros(stop - start, np.float32)
        for first, last in edges:
            places = np.arange(max(first, start), min(last, stop))
            if len(places):
                rise = np.minimum(places - first + 1, last - places) / max(FADE * audio.rate, 1)
                part = share[places[0] - start : places[-1] + 1 - start]
                np.maximum(part, np.minimum(rise, 1), out=part)
        return audio.read(start, stop) * share

    return _made(fetch, audio.shape, audio.rate, [audio])


def mixed(sounds: Sequence[Audio], levels: Sequence[float] | None = None) -> Audio:
    """The sum of sounds, each times its level, at the first one's rate and as long as the longest; never clipped."""
    rate = sounds[0].rate
    parts = [resampled(sound, rate) for sound in sounds]
    shape = max(part.channels for part in parts), max(part.length for part in parts)
    factors = [np.float32(level) for level in levels or [1.0] * len(sounds)]

    def fetch(start: int, stop: int) -> np.ndarray:
        total = np.zeros((shape[0], stop - start), np.float32)
        for factor, part in zip(factors, parts, strict=True):
            total += factor * part.around(start, stop)
        return total

    total = _made(fetch, shape, rate, parts)
    peak = max((float(np.abs(block).max(initial=0.0)) for block in total.blocks()), default=0.0)
    if peak <= 1:
        return total
    return _made(lambda start, stop: total.read(start, stop) / np.float32(peak), shape, rate, [total])


def _made(fetch: Callable[[int, int], np.ndarray], shape: tuple[int, int], rate: int, parts: Sequence[Audio]) -> Audio:
    """Sound made of `parts`: in memory if they are in memory, else made when it is read."""
    if any(isinstance(part, LazyAudio) for part in parts):
        return LazyAudio(shape, rate, fetch)
    return Audio(fetch(0, shape[1]), rate)


def side_by_side(sounds: Sequence[Audio]) -> Audio:
    """One channel for each sound, in mono at the highest rate among them; `by_channel` is the inverse."""
    rate = max(sound.rate for sound in sounds)
    parts = [resampled(mixed_down(sound), rate) for sound in sounds]

    def fetch(start: int, stop: int) -> np.ndarray:
        return np.concatenate([part.around(start, stop) for part in parts])

    return _made(fetch, (len(parts), max(part.length for part in parts)), rate, parts)


def by_channel(audio: Audio) -> list[Audio]:
    """One sound for each channel of a recording with one speaker on the left and one on the right."""
    if audio.channels < 2:
        raise InputError("the sound has one channel; give a stereo recording with a speaker on each side")

    def only(channel: int) -> Audio:
        def fetch(start: int, stop: int) -> np.ndarray:
            return audio.read(start, stop)[channel : channel + 1]

        return _made(fetch, (1, audio.length), audio.rate, [audio])

    return [only(channel) for channel in range(audio.channels)]


def activity(audio: Audio, fps: float, count: int) -> np.ndarray:
    """(count,) bool at `fps`: somebody speaks. Pauses between words count as speech."""
    edges = np.round(np.arange(count + 1) / fps * audio.rate).astype(int)
    power, first = np.zeros(count + 1), 0
    for block in audio.mono_blocks():
        frames = np.searchsorted(edges[1:], np.arange(first, first + len(block)), side="right")
        power += np.bincount(frames, np.square(block, dtype=np.float64), count + 1)
        first += len(block)
    heard = np.diff(np.minimum(edges, audio.length))
    level = np.sqrt(power[:count] / np.maximum(heard, 1))
    loud = level > max(QUIET, LOUD_SHARE * float(np.quantile(level, 0.95)))
    width = 2 * round(PAUSE / 2 * fps) + 1
    return np.convolve(loud, np.ones(width), "same")[:count] > 0.5
