"""What benchmarks put between a voice and the ears moves nothing in time."""

import numpy as np
import pytest

from training.ears.disturbances import CODECS, DISTURBANCES, aligned, disturbed


def bursts() -> np.ndarray:
    rng = np.random.default_rng(0)
    time = np.arange(32000) / 16000
    tone = np.sin(2 * np.pi * (300 + 200 * time) * time) + 0.3 * np.sin(2 * np.pi * 900 * time)
    return (0.2 * tone * (np.sin(2 * np.pi * 1.7 * time) > 0) + 0.001 * rng.standard_normal(32000)).astype(np.float32)


@pytest.mark.parametrize("how", [*DISTURBANCES, *CODECS])
def test_nothing_moves(how):
    sound = bursts()
    made = disturbed(sound, how, np.random.default_rng(1))
    assert made.shape == sound.shape
    loud = lambda x: np.square(x.reshape(-1, 160)).mean(1)  # noqa: E731
    assert np.corrcoef(loud(sound), loud(made))[0, 1] > 0.8
    assert not np.allclose(sound, made, atol=1e-4)


def test_a_delay_is_found():
    sound = bursts()
    assert np.allclose(aligned(np.pad(sound, (700, 0)), sound), sound, atol=1e-6)
    assert np.allclose(aligned(sound[700:], sound)[700:], sound[700:], atol=1e-6)
