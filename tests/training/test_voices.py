"""Disturbances move nothing in time and keep what they should."""

import numpy as np
import pytest
from scipy import signal

from training.ears import voices

RATE = 16000


def syllables(seed: int = 0) -> np.ndarray:
    """Four vowels of a buzzing voice with silence between."""
    rng = np.random.default_rng(seed)
    source = np.diff(np.floor(np.arange(2 * RATE) * 120 / RATE), prepend=0) + 0.001 * rng.standard_normal(2 * RATE)
    formed = signal.lfilter(*signal.iirpeak(700, 5, fs=RATE), source)
    return (formed * (np.sin(2 * np.pi * np.arange(2 * RATE) / RATE * 2) > 0)).astype(np.float32)


def envelope(sound: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(sound[: len(sound) // 640 * 640].reshape(-1, 640)).mean(1))


@pytest.mark.parametrize("manner", [voices.whispered, voices.sung])
def test_manners_of_speaking_keep_the_timing(manner):
    sound = syllables()
    made = manner(sound, np.random.default_rng(1))
    assert made.shape == sound.shape and np.isfinite(made).all()
    assert np.corrcoef(envelope(sound), envelope(made))[0, 1] > 0.8


def test_a_whisper_has_no_period():
    whispered = voices.whispered(syllables(), np.random.default_rng(1))
    loud = whispered[:4000] - whispered[:4000].mean()
    likeness = np.correlate(loud, loud, "full")[len(loud) - 1 :]
    assert likeness[100:200].max() < 0.5 * likeness[0]


@pytest.mark.parametrize("make", [voices.breath, voices.laughter, voices.music, voices.coloured_noise])
def test_other_sounds_have_the_length_that_was_asked_for(make):
    sound = make(RATE, np.random.default_rng(2))
    assert sound.shape == (RATE,) and np.isfinite(sound).all() and 0.1 < sound.std() < 2
