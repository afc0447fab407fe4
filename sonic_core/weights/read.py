"""Reading tensors from files, and nothing but tensors: safetensors, or a `.pth` with `weights_only=True`.

Tensors are mapped from the file, not copied: a 6 GB checkpoint costs memory only as it is used.
"""

import pickle
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from sonic_core.errors import ModelError


def twin(path: Path) -> Path:
    """The safetensors twin of a `.pth` or `.pkl`: same name, other suffix."""
    return path.with_suffix(".safetensors")


def preferred(path: Path) -> Path | None:
    """`path` or its safetensors twin, whichever there is, the twin first; None if neither."""
    return next((candidate for candidate in (twin(path), path) if candidate.is_file()), None)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors of a file.

    Raises:
        ModelError: the file is damaged, or holds anything but tensors.
    """
    if path.suffix == ".safetensors":
        return read_some(path, tensor_names(path))
    try:
        # Only the zip layout can be mapped; flownet.pkl may be in the older one, and is small.
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} is damaged or holds more than tensors, so it is not loaded; download it again"
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise ModelError(f"{path} is damaged or not a PyTorch file ({error}); download it again") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(f"{path} is not a plain state dict of tensors; take the file of the release")
    return dict(state)


def tensor_names(path: Path) -> list[str]:
    """Names in a safetensors file, from its header alone."""
    with _open(path) as file:
        return list(file.keys())


def read_some(path: Path, names: Iterable[str]) -> dict[str, Tensor]:
    """Read the named tensors of a safetensors file and touch no others."""
    with _open(path) as file:
        return {name: file.get_tensor(name) for name in names}


def _open(path: Path):  # type: ignore[no-untyped-def]  # safetensors gives its handle no type
    try:
        return safe_open(path, framework="pt", device="cpu")
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is damaged or not a safetensors file ({error}); download it again") from error


def load_into(network: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Give a network on the meta device its tensors; they are taken, not copied.

    Raises:
        ModelError: a name is missing or too many, or a shape differs; `what` says which file it was.
    """
    expected = network.state_dict()
    missing = [name for name in expected if name not in state]
    unknown = [name for name in state if name not in expected]
    wrong = [name for name in expected if name in state and state[name].shape != expected[name].shape]
    if missing or unknown:
        name = (missing or unknown)[0]
        raise ModelError(
            f"{what} does not fit: {len(missing)} tensors are missing and {len(unknown)} unknown, the first is "
            f"{name!r}; take the file of the release"
        )
    if wrong:
        raise ModelError(
            f"{what} does not fit: {wrong[0]!r} is {tuple(state[wrong[0]].shape)} instead of "
            f"{tuple(expected[wrong[0]].shape)}; a model of other sizes needs its config.json beside it"
        )
    network.load_state_dict(dict(state), assign=True)
    network.eval().requires_grad_(False)
