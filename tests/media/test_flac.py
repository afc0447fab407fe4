from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sonic_core.clip import Audio
from sonic_core.media.audio import load_audio
from sonic_core.media.flac import save_flac


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_what_is_written_is_read_back(tmp_path: Path, channels: int, rate: int) -> None:
    samples = np.random.default_rng(0).uniform(-1.2, 1.2, (channels, 10001)).astype(np.float32)
    back = load_audio(save_flac(Audio(samples, rate), tmp_path / "a.flac"))
    assert back.rate == rate and back.samples.shape == samples.shape
    assert np.abs(back.samples - samples.clip(-1, 1)).max() < 1e-4
