"""Nods, brows and blinks fall where they should, differ with the seed, and do not mind how a clip is cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.engines.lite import layout
from sonic_core.engines.lite.emphasis import AFTER, BEFORE, LiveEmphasis, accents, events, gestures

PITCH = layout.HEAD_ROTATION.start + 1 - layout.LIFE.start
LIDS = slice(layout.LIDS.start - layout.LIFE.start, layout.LIDS.stop - layout.LIFE.start)


def spoken(*stresses: int, n: int = 200) -> np.ndarray:
    """Loudness 0.6 with a louder syllable at each of `stresses`, and silence from frame 150 on."""
    frame = np.arange(n, dtype=np.float32)
    loud = 0.6 + sum((0.4 * np.exp(-(((frame - k) / 3) ** 2)) for k in stresses), np.zeros(n, np.float32))
    loud[150:] = 0
    return loud.astype(np.float32)


def test_stresses_and_the_end_of_the_phrase_are_found():
    found = events(spoken(30, 80, 120))
    assert np.flatnonzero(found[:, 0]).tolist() == [30, 80, 120]
    assert np.flatnonzero(found[:, 1]) == pytest.approx([150], abs=3)


@pytest.mark.parametrize("loud", [np.zeros(100, np.float32), np.full(100, 0.9, np.float32), np.zeros(1, np.float32)])
def test_silence_and_a_steady_tone_are_not_emphasised(loud):
    assert not events(loud).any()


def test_heads_nod_on_the_stress_and_seeds_differ():
    found = events(spoken(30, 80, 120))
    made = np.stack([gestures(found, 0, seed) for seed in range(40)])
    pitch = made[:, :, PITCH]
    peaks = {int(np.abs(row).argmax()) for row in pitch if row.any()}
    assert peaks and all(min(abs(peak - k) for k in (30, 80, 120)) <= 1 for peak in peaks)
    assert 0.2 < np.mean([row.any() for row in pitch[:, 20:40]]) < 0.8
    assert made[:, 145:165, LIDS].max() == 1 and made[:, :140, LIDS].max() == 0


@given(cut=st.integers(AFTER + 1, 180), seed=st.integers(0, 9))
def test_a_cut_clip_moves_as_the_whole_one(cut, seed):
    found = events(spoken(30, 80, 120))
    whole = gestures(found, 0, seed)
    near = max(0, cut - AFTER - 12)
    later = gestures(found[near:], near, seed)[cut - near :]
    assert np.allclose(whole[cut:], later, atol=1e-6)
    assert np.allclose(whole[: cut - BEFORE], gestures(found[:cut], 0, seed)[: cut - BEFORE], atol=1e-6)


def test_a_rise_of_the_voice_makes_a_syllable_stressed():
    loud = np.where(np.arange(200) < 150, 0.7, 0).astype(np.float32)
    pitch = np.where(loud > 0, 120, 0).astype(np.float32)
    assert not events(loud, accents(pitch))[:140, 0].any()
    pitch[70:75] = 160
    assert np.flatnonzero(events(loud, accents(pitch))[:140, 0]) == pytest.approx([72], abs=1)


def test_live_gestures_answer_the_same_events_a_little_later():
    loud = spoken(30, 80, 120)
    made = []
    for seed in range(40):
        live = LiveEmphasis(seed)
        rows = np.stack([live.next(value, 120.0 * (value > 0)) for value in loud])
        whole = gestures(events(loud, accents(120.0 * (loud > 0))), 0, seed)
        assert np.allclose(np.abs(rows[:, PITCH]).max(), np.abs(whole[:, PITCH]).max())
        made.append(rows)
    pitch = np.stack(made)[:, :, PITCH]
    peaks = {int(row.argmax()) for row in pitch if row.any()}
    assert peaks and all(min(abs(peak - k - BEFORE - 2) for k in (30, 80, 120)) <= 1 for peak in peaks)
    assert np.stack(made)[:, 150:, LIDS].max() == 1
