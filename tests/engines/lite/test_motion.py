"""Loudness of a clip, and the file of the motion network."""

import numpy as np
import pytest

from sonic_core.engines.lite import layout
from sonic_core.engines.lite.motion import loudness, read_net
from sonic_core.errors import ModelError
from sonic_core.media.audio import load_audio, speech_waveform


def test_loudness_is_relative_and_silence_is_zero(speech_path):
    x = speech_waveform(load_audio(speech_path), 16000)[:32000]
    loud = loudness(x, 50)
    assert loud.shape == (50,) and 0 <= loud.min() < 0.6 and loud.max() >= 1 - 1e-6
    assert np.allclose(loudness(0.25 * x, 50), loud, atol=0.01)
    assert np.array_equal(loudness(np.zeros(16000, np.float32), 25), np.zeros(25, np.float32))
    assert len(loudness(x[:10], 50)) == 50


def test_a_missing_or_strange_file_is_named(tmp_path):
    with pytest.raises(ModelError, match="missing"):
        read_net(tmp_path / "motion.safetensors")
    with pytest.raises(ModelError, match="motion network"):
        read_net(layout.WEIGHTS / "mouth_basis.safetensors")
