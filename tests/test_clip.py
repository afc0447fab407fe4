from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.clip import Audio, Clip, frame_count


@given(st.integers(1, 5000), st.sampled_from([Fraction(25), Fraction(30000, 1001), Fraction(25, 2), Fraction(60)]))
def test_frame_count_of_whole_frames_is_exact(frames, fps):
    assert frame_count(float(frames / fps), fps) == frames


@given(st.floats(0.04, 2000), st.floats(1, 120))
def test_video_covers_the_audio_to_a_frame(seconds, fps):
    video = frame_count(seconds, fps) / fps
    assert seconds - 0.011 / fps <= video < seconds + 1 / fps + 1e-9


def test_a_clip_can_be_read_twice_and_gives_the_same_frames():
    frames = np.random.default_rng(0).random((5, 4, 6, 3), dtype=np.float32)
    clip = Clip(6, 4, 5, Fraction(25), lambda: iter([frames[:2], frames[2:]]))
    first, second = np.concatenate(list(clip.chunks())), np.stack(list(clip.frames()))
    assert np.array_equal(first, frames) and np.array_equal(second, frames)
    assert clip.seconds == 0.2


def test_a_clip_that_breaks_its_promise_is_caught():
    frames = np.zeros((3, 4, 6, 3), np.float32)
    with pytest.raises(ValueError, match="gave 3"):
        list(Clip(6, 4, 5, Fraction(25), lambda: iter([frames])).chunks())
    with pytest.raises(ValueError, match="8 x 4"):
        list(Clip(8, 4, 3, Fraction(25), lambda: iter([frames])).chunks())


def test_channels_in_opposite_phase_do_not_cancel():
    voice = np.sin(np.arange(1600) / 5).astype(np.float32)
    assert np.array_equal(Audio(np.stack([0.5 * voice, -voice]), 16000).mono(), -voice)
    assert np.allclose(Audio(np.stack([voice, 0.5 * voice]), 16000).mono(), 0.75 * voice)
    assert not Audio(np.zeros((2, 100), np.float32), 16000).mono().any()
