"""Inputs every test may use; all made here, none from outside the repository."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sonic_core.clip import Audio

ROOT = Path(__file__).parent.parent

torch.set_num_threads(2)


@pytest.fixture(scope="session")
def portrait_path() -> Path:
    return ROOT / "web" / "samples" / "sonic_portrait.jpg"


@pytest.fixture(scope="session")
def speech_path() -> Path:
    return ROOT / "web" / "samples" / "sonic_speech.flac"


@pytest.fixture
def tone() -> Audio:
    """One second of a 220 Hz tone, mono, 16 kHz."""
    time = np.arange(16000) / 16000
    return Audio((0.3 * np.sin(2 * np.pi * 220 * time)).astype(np.float32)[None], 16000)
