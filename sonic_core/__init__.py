"""Sonic Studio as a library: one portrait photo and one audio clip in, a talking video out.

    from sonic_core import SonicPipeline

It never imports ComfyUI. The names below are loaded when first used, so that importing the package stays quick.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"
__all__ = ["Audio", "Clip", "Settings", "SonicError", "SonicPipeline"]

if TYPE_CHECKING:
    from sonic_core.clip import Audio, Clip
    from sonic_core.errors import SonicError
    from sonic_core.pipeline import SonicPipeline
    from sonic_core.settings import Settings

_HOMES = {"Audio": "clip", "Clip": "clip", "Settings": "settings", "SonicError": "errors", "SonicPipeline": "pipeline"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sonic_core' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"sonic_core.{_HOMES[name]}"), name)
