"""What listeners do, and that speakers are left alone."""

import numpy as np

from sonic_core.dialogue.listening import listen
from sonic_core.engines.lite.layout import CHANNELS, GAZE, HEAD_ROTATION, MOUTH

COUNT = 250
FIRST = np.arange(COUNT) < 120


def heard(own, other, direction=1.0, seed=0) -> np.ndarray:
    return listen(np.zeros((COUNT, CHANNELS), np.float32), own, other, direction, seed)


def test_a_speaker_does_not_listen():
    nobody = np.zeros(COUNT, bool)
    assert not heard(FIRST, nobody).any()
    assert not heard(FIRST, FIRST)[:100].any()


def test_a_listener_looks_at_the_speaker_now_and_then():
    to_the_right, to_the_left = heard(~FIRST, FIRST, 1.0), heard(~FIRST, FIRST, -1.0)
    gaze = to_the_right[:110, GAZE.start]
    assert gaze.max() > 0.4 and gaze.min() == 0 and to_the_left[:110, GAZE.start].min() < -0.4
    assert to_the_right[60, HEAD_ROTATION.start] > 2 > -2 > to_the_left[60, HEAD_ROTATION.start]
    assert not to_the_right[150:, GAZE].any()


def test_eyes_and_head_do_not_jump():
    turned = heard(~FIRST, FIRST)
    steps = np.abs(np.diff(turned, axis=0))
    assert steps[:, GAZE].max() < 0.35 and steps[:, HEAD_ROTATION].max() < 1.0


def test_nods_follow_phrases_and_move_down():
    phrases = np.arange(COUNT) % 50 < 35
    pitch = heard(np.zeros(COUNT, bool), phrases)[:, HEAD_ROTATION.start + 1]
    assert pitch.max() > 2 and pitch.min() >= 0 and not pitch[:35].any()


def test_the_mouth_is_its_own_and_the_seed_decides():
    first, same, other = (heard(~FIRST, FIRST, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, same) and not np.array_equal(first, other)
    assert not first[:, MOUTH].any()
