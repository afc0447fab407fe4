"""Pitch: voices between 80 and 350 Hz are read within 2 %, noise and silence have none, blocks do not show."""

import numpy as np
import pytest

from sonic_core.speech import pitch as module
from sonic_core.speech.pitch import pitch

RATE = 16000


def voice(hertz: np.ndarray | float, seconds: float) -> np.ndarray:
    """Ten harmonics, the higher the fainter."""
    phase = np.cumsum(np.broadcast_to(hertz, int(seconds * RATE))) / RATE
    return sum(np.sin(2 * np.pi * k * phase) / k for k in range(1, 11)).astype(np.float32) * 0.1


@pytest.mark.parametrize("hertz", [80, 120, 200, 350])
def test_steady_voices(hertz):
    found = pitch(voice(hertz, 2.0), 50)[2:-2]
    assert np.allclose(found, hertz, rtol=0.02)


def test_a_glide_is_followed():
    hertz = np.linspace(100, 200, 2 * RATE)
    found = pitch(voice(hertz, 2.0), 50)[2:-2]
    assert np.allclose(found, hertz[320::640][2:-2], rtol=0.04)


def test_noise_and_silence_have_no_pitch():
    noise = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    assert (pitch(noise, 50) > 0).mean() < 0.05
    assert not pitch(np.zeros(RATE, np.float32), 25).any()
    assert pitch(np.zeros(0, np.float32), 0).shape == (0,)


def test_blocks_do_not_show(monkeypatch):
    sound = voice(np.linspace(100, 200, 2 * RATE), 2.0)
    whole = pitch(sound, 50)
    monkeypatch.setattr(module, "BLOCK", 7)
    assert np.allclose(pitch(sound, 50), whole, atol=1e-3)
