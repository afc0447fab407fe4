"""Finds who speaks when: the face whose lips move as lips should for the video's own sound.

For every face, how far the lips are open is compared over about a second with what the ears of the engine make of the
sound. A face counts for little while its lips hardly move, so that a listener who holds still is
not taken for a speaker. Where no face agrees well, or two agree alike, nobody is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy.ndimage import uniform_filter1d

from sonic_core.clip import Audio
from sonic_core.dub.people import Cast, Person
from sonic_core.engines.base import SPEECH_RATE, LipEngine
from sonic_core.engines.lite.engine import at_rate
from sonic_core.engines.lite.layout import MOUTH, MouthBasis
from sonic_core.errors import InputError
from sonic_core.face.tracker import face_height, lip_gaps
from sonic_core.media.audio import speech_waveform
from sonic_core.media.voices import Turn, activity, speakers
from sonic_core.settings import Settings

COMPARED = 1.2  # seconds over which lips and sound are compared
OUT_OF_STEP = 0.16  # seconds by which a video's sound may be off its pictures
MOVING = 0.012  # standard deviation of the opening, in face heights, of somebody who speaks
NOBODY = 0.25  # agreement around a frame below which rather nobody speaks in it
AGREES = 0.45  # mean agreement that a turn's speaker must reach: real ones 0.5 to 0.94, other people's mouths 0.27
SWITCH = 6.0  # frames' worth of agreement that another speaker must gain: keeps turns from flickering
SURE = 0.25  # mean agreement by which a turn's speaker must be ahead of everybody else
MOST_UNSURE = 0.5  # share of the speech; beyond it nothing is guessed
BLOCK = 512  # entries of a track in memory at once


@dataclass(frozen=True)
class Speaking:
    """`spans`: when each person speaks, start and end in seconds, silence divided between neighbours. `unsure`: where
    somebody speaks and it cannot be told who."""

    spans: Mapping[int, list[tuple[float, float]]]
    unsure: list[tuple[float, float]]


def who_speaks(cast: Cast, sound: Audio, engine: LipEngine, fps: Fraction) -> Speaking:
    """Find who says what in a video with its own sound. Raises InputError where most of it cannot be told."""
    speech = activity(sound, float(fps), cast.frame_count)
    agreement = agreements(cast, sound, engine, fps)
    turns = named_turns(agreement, speech)
    talked = sum(last - first for first, last, _ in turns)
    named = sum(last - first for first, last, who in turns if who is not None)
    if not turns or talked - named > MOST_UNSURE * talked:
        raise InputError(
            f"who speaks can be told for {named / float(fps):.1f} of {talked / float(fps):.1f} s of speech in the "
            "video; say who speaks instead: a person, a voice for each, or turns"
        )
    spans: dict[int, list[tuple[float, float]]] = {}
    unsure = []
    for k, (first, last, who) in enumerate(turns):
        start = 0.0 if k == 0 else (turns[k - 1][1] + first) / 2 / float(fps)
        end = cast.frame_count / float(fps) if k + 1 == len(turns) else (last + turns[k + 1][0]) / 2 / float(fps)
        if who is None:
            unsure.append((start, end))
        else:
            spans.setdefault(who, []).append((start, end))
    return Speaking(spans, unsure)


def match_speakers(cast: Cast, sound: Audio, turns: Sequence[Turn], engine: LipEngine, fps: Fraction) -> dict[int, str]:
    """{person: speaker} for turns that describe the video's own sound.

    Raises InputError for a speaker whose face cannot be told.
    """
    agreement = agreements(cast, sound, engine, fps)
    found: dict[int, str] = {}
    for name in speakers(turns):
        places = np.zeros(cast.frame_count, bool)
        for turn in turns:
            if turn.speaker == name:
                places[round(turn.start * float(fps)) : round((turn.start + turn.seconds) * float(fps))] = True
        scores = agreement[:, places].mean(1) if places.any() else np.zeros(len(agreement))
        best = int(scores.argmax())
        if not _is_sure(agreement[:, places], best) or best in found:
            raise InputError(
                f"whose face the speaker {name!r} has cannot be told from the video; say it with --speaker"
            )
        found[best] = name
    return found


def named_turns(agreement: np.ndarray, speech: np.ndarray) -> list[tuple[int, int, int | None]]:
    """(first frame, frame after the last, person) of each turn in the frames with speech; None: it cannot be told."""
    return [
        (first, last, who if _is_sure(agreement[:, first:last], who) else None)
        for first, last, who in _turns(agreement, speech)
    ]


def agreements(cast: Cast, sound: Audio, engine: LipEngine, fps: Fraction) -> np.ndarray:
    """(people, frames) how well lips and sound agree around each frame, about -1 to 1; 0 where a face is not seen."""
    wanted = expected_opening(sound, engine, fps, cast.frame_count)
    opened = [openings(person, cast.frame_count) for person in cast.people]
    return agreement_of(np.stack(opened), wanted, float(fps))


def agreement_of(opened: np.ndarray, wanted: np.ndarray, fps: float) -> np.ndarray:
    """(people, frames) openings, NaN where a face is not seen, against (frames,) expected ones: see `agreements`."""
    most = round(OUT_OF_STEP * fps)
    tried = [_compared(opened, np.roll(wanted, lag), fps) for lag in range(-most, most + 1)]
    # The sound is off by one delay in the whole video: that at which those who agree best agree most.
    return max(tried, key=lambda found: float(found.max(0).clip(0).mean()))


def expected_opening(sound: Audio, engine: LipEngine, fps: Fraction, count: int) -> np.ndarray:
    """(count,) how far lips should be open at each frame, in face heights."""
    rows = engine.lips(speech_waveform(sound, SPEECH_RATE), Settings())
    opened = MouthBasis.load().openings(rows[:, MOUTH]).astype(np.float32)
    found = at_rate(opened[:, None], min(count, int(len(opened) * fps / 25)), fps)[:, 0]
    return np.pad(found, (0, count - len(found)), mode="edge")


def openings(person: Person, count: int) -> np.ndarray:
    """(count,) how far a person's lips are open in each frame, in face heights; NaN where the face is not seen."""
    found = np.full(count, np.nan, np.float32)
    frames = np.asarray(person.frames)
    for first in range(0, len(frames), BLOCK):
        marks = person.read(first, min(BLOCK, len(frames) - first))
        found[frames[first : first + BLOCK]] = lip_gaps(marks) / [face_height(face) for face in marks]
    return found


def _compared(opened: np.ndarray, wanted: np.ndarray, fps: float) -> np.ndarray:
    """The correlation within a window around each frame, times how much the lips move there compared with speech."""
    size = max(3, round(COMPARED * fps))
    seen = np.isfinite(opened)
    values = np.where(seen, opened, np.nanmean(opened, axis=1, keepdims=True)).astype(np.float64)

    def mean(of: np.ndarray) -> np.ndarray:
        return uniform_filter1d(of, size, axis=-1, mode="nearest")

    both = mean(values * wanted) - mean(values) * mean(wanted)
    spread = np.sqrt(np.maximum(mean(values**2) - mean(values) ** 2, 0))
    expected = np.sqrt(np.maximum(mean(wanted.astype(np.float64) ** 2) - mean(wanted.astype(np.float64)) ** 2, 0))
    found = both / np.maximum(spread * expected, 1e-8) * np.minimum(spread / MOVING, 1)
    return np.where(seen, found, 0.0)


def _turns(agreement: np.ndarray, speech: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """(first frame, frame after the last, person) of each turn: the likeliest sequence of speakers (Viterbi)."""
    scores = np.concatenate([agreement, np.full((1, len(speech)), NOBODY)]) * speech
    people = len(scores)
    total, came_from = scores[:, 0].copy(), np.zeros(scores.shape, np.int16)
    for frame in range(1, len(speech)):
        best = int(total.argmax())
        stays = total >= total[best] - SWITCH
        came_from[:, frame] = np.where(stays, np.arange(people), best)
        total = np.where(stays, total, total[best] - SWITCH) + scores[:, frame]
    who = np.zeros(len(speech), int)
    who[-1] = int(total.argmax())
    for frame in range(len(speech) - 1, 0, -1):
        who[frame - 1] = came_from[who[frame], frame]
    edges = np.flatnonzero(np.diff(np.where(speech, who, -1))) + 1
    for first, last in zip([0, *edges], [*edges, len(speech)], strict=True):
        if speech[first]:
            yield int(first), int(last), int(who[first])


def _is_sure(agreement: np.ndarray, who: int) -> bool:
    """Whether a person agrees with the sound, and clearly more than everybody else: (people, frames)."""
    if who >= len(agreement) or not agreement.shape[1]:
        return False
    means = agreement.mean(1)
    others = np.delete(means, who).max(initial=0.0)
    return bool(means[who] > max(AGREES, others + SURE))
