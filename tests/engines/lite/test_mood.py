"""Moods and turned heads, laid over motion rows and drawn on a face whose landmarks are known."""

from __future__ import annotations

import numpy as np
import pytest

from sonic_core.engines.lite.layout import CHANNELS, CORNERS, HEAD_ROTATION, LIDS, MOUTH, PRESS
from sonic_core.engines.lite.mood import MOODS, posed
from sonic_core.engines.lite.renderer import Renderer
from sonic_core.errors import SettingsError
from sonic_core.settings import Settings
from tests.engines.lite.test_renderer import drawn

REST = np.zeros(CHANNELS, np.float32)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(drawn())


def corners(renderer: Renderer, settings: Settings) -> float:
    """Height of the mouth's corners above its middle, px."""
    lips = renderer.moved(posed(REST, settings)).mouth.lips
    return float(lips.upper_height[len(lips.places) // 2] - lips.upper_height[[0, -1]].mean())


def test_neutral_changes_nothing():
    rows = np.random.default_rng(0).normal(size=(5, CHANNELS)).astype(np.float32)
    assert np.array_equal(posed(rows, Settings())[:, :CHANNELS], rows)
    assert not posed(rows, Settings())[:, CORNERS].any()


def test_a_happy_mouth_turns_up_and_a_sad_one_down(renderer: Renderer):
    happy, neutral, sad = (corners(renderer, Settings(mood=mood)) for mood in ("happy", "neutral", "sad"))
    assert sad < neutral - 1 < neutral + 1 < happy
    half = corners(renderer, Settings(mood="happy", mood_strength=0.5))
    assert neutral < half < happy


@pytest.mark.parametrize("mood", MOODS)
def test_lips_that_should_meet_do_in_every_mood(renderer: Renderer, mood: str):
    row = REST.copy()
    row[PRESS], row[MOUTH.start] = 1, 1
    assert renderer.moved(posed(row, Settings(mood=mood, mood_strength=1.5))).mouth.lips.gap.max() == 0


def test_a_blink_shuts_the_lids_in_every_mood():
    row = REST.copy()
    row[LIDS] = 1
    for mood in MOODS:
        assert np.allclose(posed(row, Settings(mood=mood))[LIDS], 1)


def test_head_offsets_add_to_the_motion_and_move_the_picture(renderer: Renderer):
    row = REST.copy()
    row[HEAD_ROTATION] = (1, 2, 3)
    settings = Settings(head_yaw=4, head_pitch=-2, head_roll=5)
    assert np.allclose(posed(row, settings)[HEAD_ROTATION], (5, 0, 8))
    assert not np.array_equal(renderer.frame(posed(row, settings)), renderer.frame(row))


def test_values_out_of_range_are_refused():
    with pytest.raises(SettingsError, match="mood"):
        Settings(mood="furious")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="head_yaw"):
        Settings(head_yaw=90.0)
