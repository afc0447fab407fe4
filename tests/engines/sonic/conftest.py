"""A tiny model folder and a portrait, shared by the tests of the Sonic engine."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sonic_core.engines import sonic
from sonic_core.engines.sonic.engine import SonicEngine
from sonic_core.face.detect import Face
from sonic_core.face.framing import Portrait

from .tiny import write_model_folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model_folder(tmp_path_factory.mktemp("models") / "sonic")


@pytest.fixture(scope="session")
def engine(model_folder: Path) -> SonicEngine:
    """An engine that keeps no files."""
    return sonic.load(model_folder, torch.device("cpu"), latents_folder=None)


@pytest.fixture(scope="session")
def portrait() -> Portrait:
    image = np.random.default_rng(0).integers(0, 256, (64, 128, 3), dtype=np.uint8)
    return Portrait(image, Face((40.0, 10.0, 90.0, 54.0), np.zeros((478, 3), np.float32), 1.0))


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """Half a second of noise at 16 kHz."""
    return (0.1 * np.random.default_rng(0).standard_normal(8000)).astype(np.float32)
