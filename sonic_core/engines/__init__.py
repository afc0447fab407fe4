"""What turns (portrait, speech) into latents and latents into frames; see `base.Engine` for the protocol."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonic_core.errors import ModelError

if TYPE_CHECKING:
    import torch

    from sonic_core.engines.base import Engine


def load_engine(
    model: str | os.PathLike[str], device: torch.device, dtype: torch.dtype | None = None, **options: Any
) -> Engine:
    """The engine a model name or folder needs: "lite" is bundled, any folder holds the released Sonic files.

    A file of the released ones, as `models/sonic/unet.pth`, stands for its folder.

    `options` go to the engine. Raises ModelError for an unknown name, a missing folder or missing files.
    """
    # Imported here so that one engine's libraries are not loaded for the other.
    if str(model) == "lite":
        from sonic_core.engines.lite.engine import LiteEngine

        return LiteEngine.load(**options)
    folder = _folder_of(model)
    from sonic_core.engines import sonic

    return sonic.load(folder, device, dtype, **options)


def check_model(model: str | os.PathLike[str]) -> None:
    """Raise ModelError for an unknown name, a missing folder or missing networks, which are not read."""
    if str(model) == "lite":
        return
    from sonic_core.weights.folder import find_files

    folder = _folder_of(model)
    find_files(folder).required_networks(str(folder))


def _folder_of(model: str | os.PathLike[str]) -> Path:
    """The folder of the released files; one of its files stands for it."""
    folder = Path(model).expanduser()
    folder = folder.parent if folder.is_file() else folder
    if not folder.is_dir():
        raise ModelError(f"model {str(model)!r} is not a folder; give 'lite' or the folder that holds unet.pth")
    return folder
