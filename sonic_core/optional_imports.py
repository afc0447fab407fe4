"""Stand-ins for a broken torchaudio or torchvision, which we do not need but transformers imports where they are.

One that was built for another torch cannot be imported (its libraries raise OSError or RuntimeError), and then neither
can transformers or diffusers. While we import those, a stand-in takes the broken package's place.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.machinery import ModuleSpec
from types import ModuleType

logger = logging.getLogger(__name__)

# transformers imports torchaudio without using it, also when it has found out earlier that it is installed (as
# ComfyUI makes it do): an empty module will do. Of torchvision it wants parts, so that one has to be absent.
IN_THE_PLACE_OF: dict[str, bool] = {"torchaudio": True, "torchvision": False}


@contextmanager
def broken_ones_replaced(names: dict[str, bool] = IN_THE_PLACE_OF) -> Iterator[None]:
    """While the block runs, a package that is installed but does not import is empty (True) or absent (False)."""
    replaced = {name: _empty(name) if is_empty else None for name, is_empty in names.items() if _is_broken(name)}
    sys.modules.update(replaced)  # type: ignore[arg-type]  # None makes an import fail as if it were absent
    try:
        yield
    finally:
        for name in replaced:
            sys.modules.pop(name, None)


def _empty(name: str) -> ModuleType:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    return module


@lru_cache(maxsize=8)
def _is_broken(name: str) -> bool:
    if name in sys.modules:
        return False
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        return error.name != name
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        logger.warning("%s is installed but broken, and left alone: %s", name, error)
        return True
    return False
