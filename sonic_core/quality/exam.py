"""The viseme exam: do the lips of a talking video do what each sound needs?

No real video of the speaker is needed, only the words. They are aligned to the sound, the lips are tracked frame by
frame without smoothing over time, and each phone is looked at in its own span and 40 ms to either side. Thresholds are
shares of the face's height, forehead to chin; see docs/exam.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sonic_core.clip import Audio, Clip
from sonic_core.errors import InputError, NoFaceError
from sonic_core.face.points import LEFT_MOUTH_CORNER, LIP_PAIRS, RIGHT_MOUTH_CORNER
from sonic_core.face.tracker import FaceTracker, Tracker, face_height
from sonic_core.media.audio import speech_waveform
from sonic_core.quality.alignment import SAMPLE_RATE, Phone, align

PHONES = {
    "closed": frozenset(["M", "P", "B"]),
    "teeth": frozenset(["F", "V"]),
    "open": frozenset(["AA", "AE", "AH", "AO", "AW", "AY", "EH", "EY", "OW", "ER"]),
    "round": frozenset(["W", "UW", "UH", "OW", "OY", "AO", "SH", "CH", "ZH"]),
    "spread": frozenset(["IY", "IH", "EY", "EH", "AE", "S", "Z"]),
}
MARGIN = 0.04  # seconds to either side of a phone
CLOSED, TEETH, OPEN, REST = 0.008, 0.016, 0.022, 0.012  # lip opening
SHORTEST_VOWEL, SHORTEST_REST = 0.06, 0.3  # seconds
LAG_REACH = 0.12  # seconds round a closure in which its smallest opening is looked for
ENOUGH = 3  # phones of a kind that count in the score
FRAME = 1 / 25
STEP = 0.01  # seconds between the openings that are judged
FEWEST = 4  # of these that a phone must have to count

CORNERS = (RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER)

Aligner = Callable[[np.ndarray, str], list[Phone]]


@dataclass(frozen=True)
class Exam:
    """Shares of phones done right, None where a kind does not occur."""

    closed: float | None  # m p b: the lips meet
    teeth: float | None  # f v: the lip is near the teeth
    open: float | None  # open vowels of 60 ms or longer: the lips part
    round: float | None  # w u o sh ch: the mouth is narrower than its median over the clip
    spread: float | None  # i e s z: it is wider
    rest: float | None  # silences of 0.3 s or longer: the lips stay shut; people breathe, so it is not in the score
    score: float | None  # mean of the shares but `rest` that have three phones or more
    lag_frames: float | None  # how late the closures of m p b are, in frames of 40 ms; real speakers: -1.1
    counts: dict[str, int]  # phones of each kind
    tracked: float  # share of frames with a face


@dataclass(frozen=True)
class LipTrack:
    """What the exam saw: times in seconds, opening and width as shares of the face's height, NaN without a face."""

    times: np.ndarray
    gap: np.ndarray
    width: np.ndarray

    def within(self, start: float, end: float) -> LipTrack:
        """The part from `start` to `end` seconds, both included."""
        inside = (self.times >= start) & (self.times <= end)
        return LipTrack(self.times[inside], self.gap[inside], self.width[inside])


def examine(
    clip: Clip, text: str, audio: Audio | None = None, tracker: Tracker | None = None, aligner: Aligner = align
) -> tuple[Exam, LipTrack, list[Phone]]:
    """Examine a clip in which `text` is spoken; `audio` replaces its own sound.

    Raises:
        InputError: there is no sound, or the words do not fit it.
        NoFaceError: no frame shows a face.
        MissingExtraError: pocketsphinx is not installed.
    """
    sound = audio or clip.audio
    if sound is None:
        raise InputError("the video has no sound: give the sound that is spoken with --audio")
    phones = aligner(np.asarray(speech_waveform(sound, SAMPLE_RATE)), text)
    track = track_lips(clip, tracker or FaceTracker())
    return marks(track, phones), track, phones


def track_lips(clip: Clip, tracker: Tracker) -> LipTrack:
    """Opening of the inner lips and width from corner to corner in every frame."""
    rows = []
    for picture in clip.pictures():
        points = tracker(picture)
        if points is None:
            rows.append((math.nan, math.nan, math.nan))
            continue
        gap, width = (float(np.linalg.norm(points[a, :2] - points[b, :2])) for a, b in (LIP_PAIRS[0], CORNERS))
        rows.append((gap, width, face_height(points)))
    gaps, widths, heights = np.array(rows, float).reshape(-1, 3).T
    if not np.isfinite(heights).any():
        raise NoFaceError("no face was found in the video; give one that shows one clearly")
    usual = np.nanmedian(heights)
    return LipTrack(np.arange(len(gaps)) / float(clip.fps), gaps / usual, widths / usual)


def marks(track: LipTrack, phones: list[Phone]) -> Exam:
    """The exam of tracked lips and timed phones."""
    lips = between_frames(track)
    usual = float(np.median(lips.width))
    hits: dict[str, list[bool]] = {kind: [] for kind in (*PHONES, "rest")}
    lags: list[float] = []
    for phone in phones:
        for kind, right in judge(phone, lips, usual).items():
            hits[kind].append(right)
        if phone.name in PHONES["closed"]:
            near = lips.within(phone.start - LAG_REACH, phone.end + LAG_REACH)
            if len(near.times):
                lags.append((float(near.times[near.gap.argmin()]) - phone.middle) / FRAME)
    counted = [float(np.mean(values)) for kind, values in hits.items() if kind != "rest" and len(values) >= ENOUGH]
    return Exam(
        **{kind: round(float(np.mean(values)), 3) if values else None for kind, values in hits.items()},
        score=round(float(np.mean(counted)), 3) if counted else None,
        lag_frames=round(float(np.median(lags)), 2) if lags else None,
        counts={kind: len(values) for kind, values in hits.items()},
        tracked=round(float(np.isfinite(track.gap).mean()), 3),
    )


def between_frames(track: LipTrack) -> LipTrack:
    """The track at every STEP seconds, interpolated over frames without a face."""
    known = np.isfinite(track.gap)
    times = np.arange(track.times[0], track.times[-1] + STEP / 2, STEP)
    gap, width = (np.interp(times, track.times[known], values[known]) for values in (track.gap, track.width))
    return LipTrack(times, gap, width)


def judge(phone: Phone, lips: LipTrack, usual: float) -> dict[str, bool]:
    """For each kind that the phone is of: whether the lips did it. `usual` is the mouth's usual width."""
    seconds = phone.end - phone.start
    if phone.name == "SIL":
        middle = lips.within(phone.start + seconds / 4, phone.end - seconds / 4)
        return {"rest": bool(middle.gap.max() <= REST)} if seconds >= SHORTEST_REST and len(middle.times) else {}
    span = lips.within(phone.start - MARGIN, phone.end + MARGIN)
    if len(span.times) < FEWEST:
        return {}
    found = {
        "closed": span.gap.min() <= CLOSED,
        "teeth": span.gap.min() <= TEETH,
        "open": span.gap.max() >= OPEN,
        "round": span.width.min() < usual,
        "spread": span.width.max() > usual,
    }
    too_short = {"open"} if seconds < SHORTEST_VOWEL else set()
    return {kind: bool(right) for kind, right in found.items() if phone.name in PHONES[kind] and kind not in too_short}
