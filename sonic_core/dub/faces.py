"""Prepares a person's track for drawing: smooth landmarks without gaps, and how much of the dub each frame shows.

Smoothing keeps quick movement: a parabola through neighbouring frames (Savitzky and Golay), never across a cut. Where
a face is missing, too small or turned too far, frames pass through untouched; the dub fades out before them and in
after them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_cdt

from sonic_core.dub.people import Cast, Person
from sonic_core.engines.lite.layout import MouthBasis
from sonic_core.engines.lite.pose import FaceFit, fit_rigid
from sonic_core.engines.lite.savgol import steadied
from sonic_core.face.tracker import face_height, lip_gaps

SMALLEST = 24.0  # px of face height; below there is no mouth to draw
MOST_TURNED = 45.0  # degrees of yaw
SHORT_GAP = 4  # frames without a face that are bridged
BLURRED = (
    0.4  # share of a person's median sharpness: as after a Gaussian of 1.5 % of the face's height, or 10 % of motion
)
MARGIN = 4  # frames beside a covered or blurred mouth that are left alone too: every third is looked at
FADE = 5  # frames in which the dub fades in or out where the face comes or goes within a shot
SMOOTHING = 5  # frames a parabola is laid through
REST_VIEWS, REST_SHARE = 400, 0.2  # views of a person looked at for the face at rest; the share with the lips nearest
BLOCK = 512  # entries of a track in memory at once


@dataclass(frozen=True)
class Run:
    """Frames `first` to `last` (included) of one shot in which the face is seen, gaps of a few frames aside."""

    first: int
    last: int
    start: int  # entry of the track it begins with
    count: int  # entries of the track


@dataclass(frozen=True)
class FaceState:
    """A face in one frame: landmarks (478, 3) px, the fit to the canonical face, and how much of the dub is shown."""

    landmarks: np.ndarray
    fit: FaceFit
    strength: float  # 0 to 1
    reason: str = ""  # why a frame is left alone


@dataclass(frozen=True)
class RestFace:
    """A face with the lips at rest: canonical landmarks (478, 3), and (11,) how far its upper lip goes on beyond them,
    see lip_edges.lip_ends."""

    landmarks: np.ndarray
    lip_ends: np.ndarray


def runs(person: Person, cast: Cast) -> list[Run]:
    """The stretches in which a person can be dubbed."""
    frames = np.asarray(person.frames)
    shot = np.searchsorted(cast.shots, frames, side="right")
    jumps = np.isin(frames[1:], list(person.jumps))
    breaks = np.flatnonzero((np.diff(frames) > SHORT_GAP + 1) | (np.diff(shot) > 0) | jumps) + 1
    starts, ends = np.concatenate([[0], breaks]), np.concatenate([breaks, [len(frames)]])
    return [Run(int(frames[a]), int(frames[b - 1]), int(a), int(b - a)) for a, b in zip(starts, ends, strict=True)]


def states(person: Person, cast: Cast, basis: MouthBasis) -> Iterator[tuple[int, FaceState]]:
    """(frame, state) for every frame the person is seen in, in order."""
    covered, blurred = np.asarray(person.covered, bool), _blurred(person)
    for run in runs(person, cast):
        comes, goes = _fades(run, person, cast)
        troubles = (("the mouth is covered", _frames_from(covered, person, run)),
                    ("the face is blurred", _frames_from(blurred, person, run)))  # fmt: skip
        for frame, landmarks in _smoothed(person, run):
            fit = fit_rigid(landmarks, basis)
            strength, reason = _usable(landmarks, fit)
            for trouble, distance in troubles:
                beside = int(distance[frame - run.first]) - MARGIN
                if beside <= 0 and not reason:
                    reason = trouble
                strength = min(strength, max(beside, 0) / FADE)
            if comes:
                strength = min(strength, (frame - run.first + 1) / FADE)
            if goes:
                strength = min(strength, (run.last - frame + 1) / FADE)
            yield frame, FaceState(landmarks, fit, strength, reason)


def rest_face(person: Person, basis: MouthBasis) -> RestFace:
    """The person's own face with the lips at rest: the mean of the moments in which they are shut."""
    count = len(person.frames)
    chosen = np.unique(np.linspace(0, count - 1, min(count, REST_VIEWS)).astype(int))
    shapes = []
    for entry in chosen:
        landmarks = person.read(int(entry), 1)[0]
        fit = fit_rigid(landmarks, basis)
        shapes.append((landmarks - fit.origin) @ np.linalg.inv(fit.axes))
    stacked = np.stack(shapes)
    gaps = lip_gaps(stacked)
    shut = gaps <= np.quantile(gaps, REST_SHARE)
    lip_ends = np.asarray(person.lip_ends).reshape(count, -1)[chosen]
    return RestFace(stacked[shut].mean(0).astype(np.float32), lip_ends[shut].mean(0).astype(np.float32))


def yaw(fit: FaceFit) -> float:
    """Degrees by which the face is turned to a side."""
    return float(np.degrees(np.arcsin(np.clip(abs(fit.axes[0, 2]) / fit.scale, 0, 1))))


def _usable(landmarks: np.ndarray, fit: FaceFit) -> tuple[float, str]:
    turned, height = yaw(fit), face_height(landmarks)
    if height < SMALLEST:
        return 0.0, f"a face of {height:.0f} px is too small"
    if turned > MOST_TURNED:
        return 0.0, f"turned {turned:.0f} degrees"
    # The last degrees fade, so that a head that turns away does not snap back to its old speech.
    return float(np.clip((MOST_TURNED - turned) / 8, 0, 1)), ""


def _blurred(person: Person) -> np.ndarray:
    """(entries,) bool: far less sharp than the person usually is."""
    sharp = np.asarray(person.sharpness)
    return sharp < BLURRED * np.median(sharp)


def _frames_from(troubled: np.ndarray, person: Person, run: Run) -> np.ndarray:
    """(frames of the run,) distance in frames to the nearest troubled one; `troubled` (entries,) bool."""
    found = np.zeros(run.last - run.first + 1, bool)
    part = slice(run.start, run.start + run.count)
    found[np.asarray(person.frames)[part] - run.first] = troubled[part]
    if not found.any():
        return np.full(len(found), MARGIN + FADE)
    return distance_transform_cdt(~found, metric="taxicab")


def _fades(run: Run, person: Person, cast: Cast) -> tuple[bool, bool]:
    """Whether the face comes and goes within a shot, rather than with its cuts."""
    starts = person.jumps.union(cast.shots)
    return run.first not in starts, run.last + 1 not in starts and run.last + 1 < cast.frame_count


def _smoothed(person: Person, run: Run) -> Iterator[tuple[int, np.ndarray]]:
    """(frame, landmarks) without gaps, smoothed over time; a block of the track is held at once."""
    margin = SMOOTHING
    frames = np.asarray(person.frames)[run.start : run.start + run.count]
    for first in range(run.first, run.last + 1, BLOCK):
        end = min(first + BLOCK, run.last + 1)
        low = max(int(np.searchsorted(frames, first - margin, side="right")) - 1, 0)
        high = min(int(np.searchsorted(frames, end + margin)) + 1, run.count)
        known, marks = frames[low:high], person.read(run.start + low, high - low)
        every = np.arange(known[0], known[-1] + 1)
        after = np.clip(np.searchsorted(known, every), 1, max(len(known) - 1, 1)) if len(known) > 1 else None
        if after is not None:
            share = ((every - known[after - 1]) / (known[after] - known[after - 1]))[:, None, None].astype(np.float32)
            marks = marks[after - 1] * (1 - share) + marks[after] * share
        marks = steadied(marks.reshape(len(marks), -1), SMOOTHING).reshape(marks.shape)
        for frame in range(first, end):
            yield frame, marks[frame - every[0]]
