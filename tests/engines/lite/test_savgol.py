"""Smoothing of head tracks: what it keeps and what it takes away."""

import numpy as np
import pytest

from sonic_core.engines.lite.savgol import SPAN, steadied


def test_a_parabola_is_kept_to_its_ends():
    time = np.arange(30, dtype=np.float32)[:, None]
    track = np.concatenate([0.1 * time**2 - time, 3 - time], axis=1)
    assert steadied(track) == pytest.approx(track, abs=1e-3)
    assert steadied(track, 5) == pytest.approx(track, abs=1e-3)


def test_shake_goes_and_a_nod_stays():
    time = np.arange(200) / 25
    nod = 5 * np.sin(2 * np.pi * 0.8 * time)
    shake = 0.3 * np.random.default_rng(0).standard_normal(200)
    jerk = [np.diff(track, 2).std() for track in (nod, nod + shake, steadied((nod + shake)[:, None])[:, 0])]
    assert jerk[2] - jerk[0] < 0.15 * (jerk[1] - jerk[0])
    assert steadied(nod[:, None])[:, 0] == pytest.approx(nod, abs=0.25)


@pytest.mark.parametrize("frames", [1, SPAN - 1, SPAN, SPAN + 1])
def test_length_is_kept(frames):
    track = np.ones((frames, 2), np.float32)
    assert steadied(track) == pytest.approx(track)
    assert steadied(track).dtype == np.float32
