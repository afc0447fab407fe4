"""Tracks made fit for drawing: no gaps, no smoothing across cuts and jumps, fading where faces come and go."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from sonic_core.dub.faces import FADE, states
from sonic_core.dub.people import Cast, Person
from sonic_core.engines.lite.layout import MouthBasis


@pytest.fixture
def face():
    """(478, 3) landmarks of an upright face, 160 px high."""
    return (MouthBasis.load().rest * 52 + [200, 120, 0]).astype(np.float32)


@pytest.fixture
def track(tmp_path):
    """A cast of one person from {frame: landmarks}."""

    def make(landmarks: dict[int, np.ndarray], shots=(0,), count=None, covered=(), blurred=()) -> Cast:
        person = Person(Path(tmp_path) / "0.f32")
        for frame, marks in landmarks.items():
            person.add(frame, marks, frame in covered, 0.1 if frame in blurred else 0.4)
        person.close()
        return Cast([person], list(shots), count or max(landmarks) + 1, tempfile.TemporaryDirectory(dir=tmp_path))

    return make


def seen(cast: Cast):
    return dict(states(cast.people[0], cast, MouthBasis.load()))


def test_a_short_gap_is_bridged(track, face):
    cast = track({k: face + np.float32([k, 0, 0]) for k in (*range(10), *range(13, 30))})
    found = seen(cast)
    assert sorted(found) == list(range(30))
    assert found[11].landmarks[4, 0] - face[4, 0] == pytest.approx(11, abs=0.1)


def test_quick_movement_is_not_smoothed_away(track, face):
    moved = {k: face + np.float32([0.4 * k * k, 0, 0]) for k in range(20)}  # a parabola in time
    found = seen(track(moved))
    assert max(np.abs(found[k].landmarks - moved[k]).max() for k in found) < 0.01


def test_jitter_is(track, face):
    rng = np.random.default_rng(0)
    found = seen(track({k: face + rng.normal(0, 1, face.shape) for k in range(60)}))
    still = np.stack([found[k].landmarks for k in range(5, 55)]) - face
    assert still.std() < 0.7


def test_a_cut_is_not_smoothed_over_and_does_not_fade(track, face):
    marks = {k: face + np.float32([80 * (k >= 20), 0, 0]) for k in range(40)}
    found = seen(track(marks, shots=(0, 20)))
    assert all(state.strength == 1 for state in found.values())
    assert found[19].landmarks[4, 0] == pytest.approx(face[4, 0], abs=0.01)
    assert found[20].landmarks[4, 0] == pytest.approx(face[4, 0] + 80, abs=0.01)


def test_a_face_that_comes_and_goes_within_a_shot_fades(track, face):
    found = seen(track({k: face for k in range(20, 50)}, count=80))
    strengths = [found[k].strength for k in range(20, 50)]
    assert strengths[: FADE - 1] == pytest.approx([(k + 1) / FADE for k in range(FADE - 1)])
    assert strengths[::-1] == pytest.approx(strengths) and max(strengths) == 1


def test_a_turned_or_tiny_face_is_left_alone_and_says_why(track, face):
    angle = np.radians(60)
    turn = np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]])
    middle = face.mean(0)
    turned = ((face - middle) @ turn + middle).astype(np.float32)
    assert seen(track({k: turned for k in range(10)}))[5].strength == 0
    assert "turned" in seen(track({k: turned for k in range(10)}))[5].reason
    tiny = (face * 0.1).astype(np.float32)
    assert "too small" in seen(track({k: tiny for k in range(10)}))[5].reason


@pytest.mark.parametrize(("trouble", "reason"), [("covered", "mouth is covered"), ("blurred", "face is blurred")])
def test_what_cannot_be_seen_is_left_alone_and_the_dub_fades_beside_it(track, face, trouble, reason):
    found = seen(track({k: face for k in range(60)}, **{trouble: range(30, 34)}))
    strengths = np.array([found[k].strength for k in range(60)])
    assert not strengths[26:38].any() and strengths[:20].min() == strengths[44:].min() == 1
    assert np.abs(np.diff(strengths)).max() <= 1 / FADE + 1e-6
    assert reason in found[31].reason and not found[5].reason


def test_a_face_that_jumps_is_neither_smoothed_across_nor_faded(track, face):
    """Lecturers cut out their pauses: the shot looks the same and the head is elsewhere."""
    there = face + np.float32([60, 0, 0])
    cast = track({k: face if k < 10 else there for k in range(20)})
    found = dict(states(cast.people[0], cast, MouthBasis.load()))
    for frame, expected in ((9, face), (10, there)):
        assert np.abs(found[frame].landmarks - expected).max() < 1e-3
        assert found[frame].strength == 1
