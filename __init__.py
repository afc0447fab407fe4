"""Sonic Studio as a ComfyUI node pack: hands ComfyUI the extension, nothing else.

ComfyUI loads this file by its path and keeps the folder off `sys.path`, so `sonic_core` is made importable here, by
itself: nothing else in the folder can shadow a module of ComfyUI or of another pack.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

PACK = Path(__file__).resolve().parent


def _library() -> ModuleType:
    """`sonic_core` from this folder, even where another version of it is installed in the environment."""
    init = PACK / "sonic_core" / "__init__.py"
    known = sys.modules.get("sonic_core")
    if known is not None and known.__file__ is not None and Path(known.__file__).resolve() == init:
        return known
    spec = spec_from_file_location("sonic_core", init, submodule_search_locations=[str(init.parent)])
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["sonic_core"] = module
    spec.loader.exec_module(module)
    return module


WEB_DIRECTORY = "./web"

_library()

try:
    from .nodes import comfy_entrypoint
except ModuleNotFoundError as error:  # ComfyUI shows this sentence where it names the packs that failed
    raise ImportError(
        f"Sonic Studio needs the Python package {error.name}; run pip install -r {PACK / 'requirements.txt'} "
        f"for ComfyUI's Python ({sys.executable}) and restart ComfyUI"
    ) from error

__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
