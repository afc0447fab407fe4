"""What Sonic: Load Model takes from core's VAE and CLIP vision loaders makes the same networks as core has."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT

SCRIPT = Path(__file__).parent / "core_parts.py"


@pytest.fixture(scope="module")
def figures() -> dict[str, float]:
    if "COMFYUI_PATH" not in os.environ:
        pytest.skip("needs a ComfyUI: set COMFYUI_PATH to its folder")
    comfyui = Path(os.environ["COMFYUI_PATH"])
    python = os.environ.get("COMFYUI_PYTHON", str(comfyui / ".venv" / "bin" / "python"))
    done = subprocess.run([python, str(SCRIPT), str(ROOT)], cwd=comfyui, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_every_tensor_of_the_released_size_has_a_place(figures: dict[str, float]) -> None:
    assert figures["vae names that differ"] == figures["clip names that differ"] == 0


@pytest.mark.parametrize("part", ["vae encoder", "vae decoder", "clip"])
def test_the_same_comes_out(figures: dict[str, float], part: str) -> None:
    assert figures[f"{part} size"] > 0.1
    assert figures[part] < 1e-5 * figures[f"{part} size"]
