"""Inputs every test may use; all made here, none from outside the repository."""

from __future__ import annotations

import os
from pathlib import Path

# Before numpy and torch are imported, and for the processes that tests start: several tests run side by side, and the
# waiting threads of one would take the cores from the others.
os.environ["OMP_NUM_THREADS"] = "1"

import hypothesis
import numpy as np
import pytest

from sonic_core.clip import Audio

ROOT = Path(__file__).parent.parent

# The same examples in every run, and no limit of time: a busy machine is not slow code.
hypothesis.settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("repeatable")


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
