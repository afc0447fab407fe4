from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from sonic_core.clip import Audio, Clip
from sonic_core.errors import SettingsError
from sonic_core.finish.lip_align import moved_sound, shifted


@pytest.mark.parametrize("late", [0.3, 0.017, -0.3, -0.017, 0.0])
@pytest.mark.parametrize("move", ["sound", "frames"])
def test_nothing_is_dropped_from_the_end(late: float, move: str) -> None:
    numbers = np.arange(1, 51, dtype=np.float32) / 50
    frames = np.ascontiguousarray(np.broadcast_to(numbers[:, None, None, None], (50, 16, 16, 3)))
    sound = np.linspace(0.1, 1, 32000, dtype=np.float32)[None]
    out = shifted(Clip.of_frames(frames, Fraction(25), Audio(sound, 16000)), late, move)
    shown = [float(frame[0, 0, 0]) for frame in out.frames()]
    assert len(shown) == out.frame_count >= 50
    assert shown[-1] == pytest.approx(1, abs=0.001)
    assert out.audio.samples.max() == 1
    assert out.seconds >= out.audio.seconds - 0.04 or late < 0


def test_sound_moves_by_samples() -> None:
    sound = Audio(np.arange(1, 11, dtype=np.float32)[None], 10)
    assert moved_sound(sound, 0.3).samples.tolist() == [[0, 0, 0, *range(1, 11)]]
    assert moved_sound(sound, -0.3).samples.tolist() == [[*range(4, 11), 0, 0, 0]]


def test_refuses_odd_requests() -> None:
    clip = Clip.of_frames(np.zeros((25, 16, 16, 3), np.float32), Fraction(25))
    with pytest.raises(SettingsError, match="move"):
        shifted(clip, 0.1, "both")
    with pytest.raises(SettingsError, match="offset"):
        shifted(clip, float("nan"))
