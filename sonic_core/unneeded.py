"""torchaudio and torchvision: not needed here, but transformers imports them wherever they are installed.

Where one was built for another torch it does not import (OSError or RuntimeError from its libraries), and neither
would transformers or diffusers. While we import those, a broken one is hidden, as if it were not installed.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

logger = logging.getLogger(__name__)

UNNEEDED = ("torchaudio", "torchvision")


@contextmanager
def broken_ones_hidden(names: tuple[str, ...] = UNNEEDED) -> Iterator[None]:
    """While the block runs, packages of these names that are installed but do not import are not there."""
    hidden = [name for name in names if _is_broken(name)]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None makes an import fail as if absent
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


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
