"""Turning a `.pth` or `.pkl` state dict into its safetensors twin: quicker to open, and nothing in it can run."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from sonic_core.errors import ModelError
from sonic_core.weights.folder import REQUIRED, RIFE
from sonic_core.weights.read import read_tensors, twin


def convert(path: Path, dtype: torch.dtype | None = None) -> Path:
    """Write the twin beside `path`, in `dtype` if given, and return it.

    Raises:
        ModelError: the file cannot be read, or the twin cannot be written.
    """
    target = twin(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    state = {name: _plain(value, dtype) for name, value in read_tensors(path).items()}
    try:
        save_file(state, temporary, metadata={"format": "pt"})
        os.replace(temporary, target)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{target} cannot be written ({error}); free space, or allow writing to its folder") from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    return target


def convertible(folder: Path) -> list[Path]:
    """Files of a model folder that have no twin yet."""
    paths = [folder / name for name in (*REQUIRED, RIFE)]
    return [path for path in paths if path.is_file() and not twin(path).is_file()]


def _plain(value: Tensor, dtype: torch.dtype | None) -> Tensor:
    """A tensor that shares memory with no other, as safetensors requires."""
    if dtype is not None and value.is_floating_point():
        value = value.to(dtype)
    whole = value.untyped_storage().nbytes() == value.numel() * value.element_size()
    return value.contiguous() if whole else value.contiguous().clone()
