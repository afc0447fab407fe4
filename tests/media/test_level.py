from __future__ import annotations

import numpy as np
import pytest

from sonic_core.clip import Audio
from sonic_core.errors import SettingsError
from sonic_core.media.level import PEAK, SILENCE_LUFS, TARGET_LUFS, amplified, loudness, normalised, pick_channel


def sine(amplitude: float, rate: int = 48000, hertz: float = 997.0, channels: int = 1, seconds: float = 3.0) -> Audio:
    time = np.arange(int(rate * seconds)) / rate
    wave = (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32)
    return Audio(np.repeat(wave[None], channels, 0), rate)


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_a_full_scale_sine_has_the_loudness_of_the_standard(rate: int) -> None:
    """BS.1770-4: 997 Hz at 0 dBFS in one channel reads -3.01 LUFS."""
    assert loudness(sine(1.0, rate)) == pytest.approx(-3.01, abs=0.1)


def test_two_channels_are_three_decibels_louder() -> None:
    assert loudness(sine(0.1, channels=2)) - loudness(sine(0.1)) == pytest.approx(3.01, abs=0.01)


def test_pauses_do_not_count() -> None:
    speech = sine(0.2)
    paused = Audio(np.concatenate([speech.samples, np.zeros_like(speech.samples)], 1), speech.rate)
    assert loudness(paused) == pytest.approx(loudness(speech), abs=0.5)


@pytest.mark.parametrize("amplitude", [0.003, 0.05, 0.9])
def test_normalising_reaches_the_target(amplitude: float) -> None:
    assert loudness(normalised(sine(amplitude))) == pytest.approx(TARGET_LUFS, abs=0.1)


def test_normalising_does_not_clip() -> None:
    clicks = sine(0.001)
    clicks.samples[0, ::4800] = 0.9
    assert np.abs(normalised(clicks).samples).max() <= PEAK + 1e-6


def test_silence_stays_silence() -> None:
    silence = Audio(np.zeros((1, 16000), np.float32), 16000)
    assert loudness(silence) == SILENCE_LUFS
    assert normalised(silence) is silence


def test_gain_is_in_decibels_and_clips_at_full_scale() -> None:
    assert np.abs(amplified(sine(0.1), 6.0).samples).max() == pytest.approx(0.1 * 10**0.3, rel=1e-3)
    assert np.abs(amplified(sine(0.9), 20.0).samples).max() == 1.0


def test_channels() -> None:
    stereo = Audio(np.stack([np.full(100, 0.2), np.full(100, 0.4)]).astype(np.float32), 8000)
    assert pick_channel(stereo, "left").samples[0, 0] == pytest.approx(0.2)
    assert pick_channel(stereo, "right").samples[0, 0] == pytest.approx(0.4)
    assert pick_channel(stereo, "mix").samples.tolist() == [pytest.approx([0.3] * 100)]
    assert pick_channel(stereo, "as it is") is stereo
    mono = Audio(stereo.samples[:1], 8000)
    assert pick_channel(mono, "right").samples.shape == (1, 100)
    with pytest.raises(SettingsError, match="middle"):
        pick_channel(stereo, "middle")
