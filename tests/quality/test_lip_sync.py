from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonic_core.clip import Audio, Clip
from sonic_core.errors import InputError
from sonic_core.finish.lip_align import shifted
from sonic_core.quality.lip_sync import RATE, match, measure, significance


def talking(times: np.ndarray, seed: int = 0) -> np.ndarray:
    """Lip opening at any time: a sum of waves from 0.5 to 5 Hz, never negative."""
    rng = np.random.default_rng(seed)
    frequency, phase = rng.uniform(0.5, 5, 14), rng.uniform(0, 2 * np.pi, 14)
    waves = np.sin(2 * np.pi * frequency * times[:, None] + phase).sum(1)
    return np.maximum(0.01 * waves + 0.02, 0)


def lips(times: np.ndarray, seed: int = 0) -> np.ndarray:
    """(n, 2) gap and height of lips that open so."""
    gap = talking(times, seed)
    return np.stack([gap, 0.08 + gap], -1)


def middles(count: int, fps: float) -> np.ndarray:
    return (np.arange(count) + 0.5) / fps


@settings(max_examples=20)
@given(st.floats(-0.3, 0.3), st.sampled_from([24.0, 25.0, 29.97, 50.0]), st.integers(0, 1000))
def test_finds_known_offsets_between_frames(offset: float, fps: float, seed: int) -> None:
    seen = lips(middles(round(8 * fps), fps) - offset, seed)
    found = match(seen, fps, talking(middles(200, 25), seed))
    assert abs(found.offset - offset) < 0.01
    assert found.trusted and found.correlation > 0.9


def test_unrelated_tracks_are_not_trusted() -> None:
    found = [match(lips(middles(100, 25), s), 25, talking(middles(100, 25), s + 1000)) for s in range(30)]
    assert sum(alignment.trusted for alignment in found) <= 3


def test_lips_that_close_for_open_sounds_are_no_agreement() -> None:
    """Upside down, a track agrees with the speech nowhere, least of all at the lag where it is its opposite."""
    for seed in range(8):
        speech = talking(middles(100, 25), seed)
        against = 0.06 - lips(middles(100, 25) - 0.2, seed)
        found = match(against, 25, speech)
        assert not (found.trusted and abs(found.offset - 0.2) < 0.03)


def test_gaps_in_the_track_do_no_harm() -> None:
    seen = lips(middles(100, 25) - 0.12)
    seen[30:36] = np.nan
    assert abs(match(seen, 25, talking(middles(100, 25))).offset - 0.12) < 0.02


def test_nothing_to_compare_gives_no_confidence() -> None:
    speech = talking(middles(100, 25))
    assert match(np.full((100, 2), np.nan), 25, speech).confidence == 0
    assert match(np.zeros((100, 2)), 25, speech).confidence == 0
    assert match(lips(middles(10, 25)), 25, speech[:10]).confidence == 0


def test_what_the_gap_hides_the_other_shapes_tell() -> None:
    """A moustache: the gap is read almost at random, the height over both lips as it is."""
    noise = np.random.default_rng(0)
    errors = []
    for seed in range(8):
        seen = lips(middles(100, 25) - 0.1, seed)
        seen[:, 0] = 0.2 * seen[:, 0] + noise.normal(0, 0.01, 100)
        speech = talking(middles(100, 25), seed)
        errors.append([abs(match(columns, 25, speech).offset - 0.1) for columns in (seen, seen[:, :1])])
    assert np.max(errors, 0)[0] < 0.015 < np.max(errors, 0)[1]


def test_significance_grows_with_length_and_peak() -> None:
    long, short = (talking(np.arange(n) / RATE) - 0.02 for n in (1000, 200))
    assert significance(0.5, long, long) > significance(0.5, short, short)
    assert significance(0.8, short, short) > significance(0.3, short, short)
    assert significance(0.5, long, long, mixed=2) < significance(0.5, long, long)
    assert significance(0.0, long, long) == 0


def face_with_gap(gap: float) -> np.ndarray:
    landmarks = np.zeros((478, 3), np.float32)
    landmarks[152, 1] = 100
    for upper, lower in (
        (13, 14),
        (82, 87),
        (312, 317),
        (81, 178),
        (311, 402),
        (80, 88),
        (310, 318),
        (191, 95),
        (415, 324),
    ):
        landmarks[lower, 1] = landmarks[upper, 1] + gap * 100
    return landmarks


def speaking_clip(offset: float, loudness: float = 0.1) -> Clip:
    """A clip whose brightness is its lip opening; the fake tracker below reads it back."""
    openings = talking(middles(100, 25) - offset).astype(np.float32)
    frames = np.broadcast_to(openings[:, None, None, None], (100, 16, 16, 3))
    sound = np.random.default_rng(0).normal(0, loudness, (1, 64000)).astype(np.float32)
    return Clip.of_frames(np.ascontiguousarray(frames), Fraction(25), Audio(sound, 16000))


def tracker(frame: np.ndarray) -> np.ndarray:
    return face_with_gap(float(frame[0, 0, 0]))


def listener(speech: np.ndarray, frames: int) -> np.ndarray:
    return talking(middles(frames, 25))


def test_measures_a_clip_and_mends_it() -> None:
    clip = speaking_clip(0.13)
    found = measure(clip, lambda: tracker, listener)
    assert abs(found.offset - 0.13) < 0.01 and found.faces == 1
    again = measure(shifted(clip, found.offset), lambda: tracker, listener)
    assert abs(again.offset) < 0.015
    wanted = measure(shifted(clip, found.offset - 0.08), lambda: tracker, listener)
    assert abs(wanted.offset - 0.08) < 0.015


def test_silence_and_missing_faces_are_not_trusted() -> None:
    assert measure(speaking_clip(0.1, loudness=0), lambda: tracker, listener).confidence == 0
    assert measure(speaking_clip(0.1), lambda: lambda frame: None, listener).confidence == 0
    with pytest.raises(InputError, match="sound"):
        measure(speaking_clip(0).replaced(audio=None), lambda: tracker, listener)
