"""Reading tensors from files, and nothing but tensors: safetensors, or a `.pth` with `weights_only=True`.

Tensors are mapped from the file, not copied: a 6 GB checkpoint costs memory only as it is used.
"""

import logging
import pickle
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from sonic_core.errors import ModelError
from sonic_core.weights.content import content

logger = logging.getLogger(__name__)

EMA_WRAPPERS = ("state_dict_ema", "ema_state_dict", "model_ema", "ema_model", "params_ema", "ema")
WRAPPERS = (*EMA_WRAPPERS, "state_dict", "model_state_dict", "module", "model", "params")
"""Keys under which training frameworks save a state dict; averaged weights (EMA) are what a model is used with."""

EMA = re.compile(r"(^|[._])ema[._]")

PREFIXES = ("module.", "_orig_mod.", "model.", "network.", "net.", "unet.", "ema.")
"""What data parallelism, `torch.compile` and a trainer's own module put before every name."""

PICKLES = (".pth", ".pkl", ".pt", ".bin", ".ckpt")
PRECISIONS = ("fp16", "bf16", "fp32")
"""What people add to a file's name, after a dot, a hyphen or an underscore, when they have converted it."""

ZERO_STRETCH = 1024
"""Values: a page of memory in float32. Broken downloads leave pages of zeros, training never that many in a row."""


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


def read_tensors(path: Path, sign: str = "") -> dict[str, Tensor]:
    """Read all tensors of a file, under the names of the network itself.

    What frameworks add is removed: a dictionary around the tensors, a prefix before all names, entries that are not
    tensors. A damaged safetensors twin is passed over when the `.pth` is still beside it.

    Args:
        path: the file. Its content decides how it is read, not its suffix.
        sign: the name of a tensor of the network. If a file holds other networks too, or the weights a second time,
            averaged over the training, it tells which part to read.

    Raises:
        ModelError: the file is damaged, or holds anything but tensors.
    """
    suffixes = PICKLES if path.suffix == ".safetensors" else ()
    other = next((p for suffix in suffixes if (p := path.with_suffix(suffix)).is_file()), None)
    try:
        state = _own_names(_read(path), sign)
        if other is not None:
            check_values(state, str(path))
        return state
    except ModelError as error:
        if other is None:
            raise
        logger.warning("%s; %s beside it is read instead", error, other.name)
        return read_tensors(other, sign)


def _read(path: Path) -> dict[str, Tensor]:
    if content(path) == "pytorch":
        return _tensors_in(_load_pickle(path), path)
    state = read_some(path, tensor_names(path))
    if not state:
        raise ModelError(f"{path} holds no tensors; download it again")
    return state


def _load_pickle(path: Path) -> object:
    # Only the zip layout can be mapped; flownet.pkl may be in the older one, and is small. Given a name that ends in
    # .safetensors, torch would not look into the file.
    mapped = zipfile.is_zipfile(path) and path.suffix != ".safetensors"
    try:
        with path.open("rb") as file:
            return torch.load(path if mapped else file, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        if found is None:
            raise ModelError(f"{path} is damaged or holds more than tensors; download it again") from error
        raise ModelError(
            f"{path} holds more than tensors ({found[1]}), which could run programs, so it is not loaded; take a file "
            "of tensors only, or save its state dict by itself with torch.save where you trust it"
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise ModelError(
            f"{path} is damaged or not a PyTorch file ({_first_line(error)}); download it again"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _tensors_in(loaded: object, path: Path) -> dict[str, Tensor]:
    """The state dict in what a training framework saved."""
    wrapped = _unwrapped(loaded)
    if not isinstance(wrapped, Mapping) or not _holds_weights(wrapped):
        raise ModelError(f"{path} is not a state dict of tensors; take the file of the release")
    tensors = {str(name): value for name, value in wrapped.items() if isinstance(value, Tensor)}
    if len(tensors) < len(wrapped):
        logger.info("%s: %d entries that are not tensors are left out", path, len(wrapped) - len(tensors))
    return tensors


def _unwrapped(loaded: object) -> object:
    """What lies in the dictionaries that frameworks put around a state dict."""
    if isinstance(loaded, Mapping):
        inner = (_unwrapped(loaded[key]) for key in WRAPPERS if isinstance(loaded.get(key), Mapping))
        return next((state for state in inner if _holds_weights(state)), loaded)
    return loaded


def _holds_weights(state: object) -> bool:
    return isinstance(state, Mapping) and any(isinstance(value, Tensor) and value.ndim > 0 for value in state.values())


def _own_names(state: dict[str, Tensor], sign: str) -> dict[str, Tensor]:
    """The state without the prefixes that all names share, and of several parts the one with the tensor `sign`."""
    while prefix := next((p for p in PREFIXES if all(name.startswith(p) for name in state)), None):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    if not sign:
        return state
    parts = [name.removesuffix(sign) for name in state if name == sign or name.endswith(f".{sign}")]
    part = max(parts, key=lambda prefix: EMA.search(prefix) is not None, default="")
    if part:
        logger.info("of %d tensors those under %r are read", len(state), part)
    return {name.removeprefix(part): value for name, value in state.items() if name.startswith(part)}


def tensor_names(path: Path) -> list[str]:
    """Names in a safetensors file, from its header alone."""
    with _open(path) as file:
        return list(file.keys())


def read_some(path: Path, names: Iterable[str]) -> dict[str, Tensor]:
    """Read the named tensors of a safetensors file and touch no others."""
    with _open(path) as file:
        return {name: file.get_tensor(name) for name in names}


def _open(path: Path):  # type: ignore[no-untyped-def]  # safetensors gives its handle no type
    if content(path) != "safetensors":
        raise ModelError(f"{path} is a PyTorch file under another name; take the safetensors file")
    try:
        return safe_open(path, framework="pt", device="cpu")
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is damaged or not a safetensors file ({error}); download it again") from error


def load_into(network: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Put tensors into a network on the meta device without copying them. Tensors with other names are left out.

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
    """Refuse values that come from a broken copy and never from training.

    Raises:
        ModelError: a tensor is not finite, or a weight holds nothing but zeros for `ZERO_STRETCH` values in a row.
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
        return f"is zero for {ZERO_STRETCH} values in a row"
    return None
