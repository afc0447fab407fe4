"""Reading tensors from files, and nothing but tensors: safetensors, or a `.pth` with `weights_only=True`.

Tensors are mapped from the file, not copied: a 6 GB checkpoint costs memory only as it is used.
"""

import logging
import pickle
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from sonic_core.errors import ModelError

logger = logging.getLogger(__name__)

WRAPPERS = ("state_dict", "model_state_dict", "module", "model", "params_ema", "params")
"""Keys under which training frameworks save a state dict."""

PREFIXES = ("module.", "_orig_mod.", "model.", "network.", "net.", "unet.", "ema.")
"""What data parallelism, `torch.compile` and a trainer's own module put before every name."""

PICKLES = (".pth", ".pkl", ".pt", ".bin", ".ckpt")
PRECISIONS = ("fp16", "bf16", "fp32")
"""What people add to a file's name, after a dot, a hyphen or an underscore, when they have converted it."""

ZERO_STRETCH = 1024
"""Values, a page of memory in float32: a broken download leaves whole pages of zeros, training never as many on end."""


def twin(path: Path) -> Path:
    """The safetensors twin of a `.pth` or `.pkl`: same name, other suffix."""
    return path.with_suffix(".safetensors")


def preferred(path: Path) -> Path | None:
    """The file that holds what `path` names: its safetensors twin, itself, or either under a usual other name.

    Other names have another suffix of PyTorch's or a precision, as `unet.pt` and `unet_fp16.safetensors`.
    """
    suffixes = (".safetensors", path.suffix, *PICKLES)
    added = ("", *(mark + precision for precision in PRECISIONS for mark in "._-"))
    names = (f"{path.stem}{addition}{suffix}" for addition in added for suffix in suffixes)
    return next((place for name in names if (place := path.with_name(name)).is_file()), None)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors of a file, under the names of the network itself.

    What frameworks add is removed: a dictionary around the tensors, a prefix before all names, entries that are not
    tensors. A damaged safetensors twin is passed over when the `.pth` is still beside it.

    Raises:
        ModelError: the file is damaged, or holds anything but tensors.
    """
    if path.suffix != ".safetensors":
        return _own_names(_tensors_in(_load_pickle(path), path))
    other = next((p for suffix in PICKLES if (p := path.with_suffix(suffix)).is_file()), None)
    try:
        state = _own_names(read_some(path, tensor_names(path)))
        if other is not None:
            check_values(state, str(path))
        return state
    except ModelError as error:
        if other is None:
            raise
        logger.warning("%s; %s beside it is read instead", error, other.name)
        return read_tensors(other)


def _load_pickle(path: Path) -> object:
    try:
        # Only the zip layout can be mapped; flownet.pkl may be in the older one, and is small.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} is damaged or holds more than tensors, so it is not loaded; download it again"
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise ModelError(f"{path} is damaged or not a PyTorch file ({error}); download it again") from error


def _tensors_in(loaded: object, path: Path) -> dict[str, Tensor]:
    """The state dict in what a training framework saved."""
    while isinstance(loaded, Mapping):
        inner = next((loaded[key] for key in WRAPPERS if isinstance(loaded.get(key), Mapping)), None)
        if inner is None:
            break
        loaded = inner
    tensors = {}
    if isinstance(loaded, Mapping):
        tensors = {str(name): value for name, value in loaded.items() if isinstance(value, Tensor)}
    if not isinstance(loaded, Mapping) or not tensors:
        raise ModelError(f"{path} is not a state dict of tensors; take the file of the release")
    if len(tensors) < len(loaded):
        logger.info("%s: %d entries that are not tensors are left out", path, len(loaded) - len(tensors))
    return tensors


def _own_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state without the prefixes of wrappers; a prefix counts only when every name has it."""
    while (prefix := next((p for p in PREFIXES if all(name.startswith(p) for name in state)), None)) and state:
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


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
    """Give a network on the meta device its tensors; they are taken, not copied. Tensors of other names are left out.

    Raises:
        ModelError: a name is missing, a shape differs or the values are damaged; `what` says which file it was.
    """
    expected = network.state_dict()
    missing = [name for name in expected if name not in state]
    unknown = [name for name in state if name not in expected]
    wrong = [name for name in expected if name in state and state[name].shape != expected[name].shape]
    if missing:
        raise ModelError(
            f"{what} does not fit: {len(missing)} tensors are missing and {len(unknown)} unknown, the first missing is "
            f"{missing[0]!r}; take the file of the release"
        )
    if wrong:
        raise ModelError(
            f"{what} does not fit: {wrong[0]!r} is {tuple(state[wrong[0]].shape)} instead of "
            f"{tuple(expected[wrong[0]].shape)}; a model of other sizes needs its config.json beside it"
        )
    if unknown:
        logger.warning(
            "%s: %d tensors unknown to the network are left out, the first is %r", what, len(unknown), unknown[0]
        )
    own = {name: state[name] for name in expected}
    check_values(own, what)
    network.load_state_dict(own, assign=True)
    network.eval().requires_grad_(False)


def check_values(state: Mapping[str, Tensor], what: str) -> None:
    """Refuse values that training never leaves and a broken copy does.

    Raises:
        ModelError: a tensor is not finite, or a weight holds nothing but zeros for a stretch of `ZERO_STRETCH` values.
    """
    for name, tensor in state.items():
        fault = _fault(tensor)
        if fault is not None:
            raise ModelError(f"{what} is damaged: {name!r} {fault}; download it again")


def _fault(tensor: Tensor) -> str | None:
    if tensor.is_meta or not tensor.is_floating_point():
        return None
    if tensor.dtype.itemsize == 1:  # float8, which has few operations of its own
        tensor = tensor.float()
    if not torch.isfinite(tensor).all():
        return "has values that are not finite"
    if tensor.ndim < 2:  # biases and norms may well be zero
        return None
    if not tensor.any():
        return "is zero throughout"
    flat = tensor.flatten()
    whole = flat[: len(flat) // ZERO_STRETCH * ZERO_STRETCH].view(-1, ZERO_STRETCH)
    if not whole.any(dim=1).all():
        return f"is zero for {ZERO_STRETCH} values on end"
    return None
