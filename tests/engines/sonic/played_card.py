"""A graphics card played on the CPU: tensors that say they lie on a card, and operations that refuse to mix places.

    with PlayedCards():
        engine = sonic.load(folder, "cuda", torch.float32)

The arithmetic is the CPU's, so the numbers can be compared with its own. What is checked is what a machine without a
card cannot see otherwise: every operation gets tensors of one device, as torch asks for it on a card (numbers without
dimensions and the indices of a selection may wait in main memory), only what lies in main memory becomes an array, a
generator draws on its own device, and a product in float8 has the layout and the sizes that a card takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

aten = torch.ops.aten
CPU = torch.device("cpu")

CROSSING = {aten._to_copy.default, aten.copy_.default, aten._has_compatible_shallow_copy_type.default}
SELECTING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}
NAMING = {torch.device, torch._C._nn._parse_to}
GUARDED = {Tensor.contiguous, Tensor.copy_, Tensor.__getitem__, Tensor.__setitem__}
FLOAT8_MULTIPLE = 16


class OnCard(Tensor):
    """A tensor in main memory that plays one on a card."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor, device: torch.device) -> OnCard:
        self = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=device,
            requires_grad=inner.requires_grad,
        )
        self.inner = inner
        return self

    def __repr__(self, **unused: Any) -> str:
        return f"OnCard({self.device}, {self.inner!r})"

    def __deepcopy__(self, memo: dict) -> OnCard:
        copied = placed(self.inner.clone(), self.device)
        return torch.nn.Parameter(copied, requires_grad=False) if isinstance(self, torch.nn.Parameter) else copied

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        device = device_of(func, args, kwargs)
        target = kwargs.pop("device", None)
        plain_args, plain_kwargs = changed(args, plain), changed(kwargs, plain)
        run = float8_product if func is aten._scaled_mm.default else func
        out = run(*plain_args, **plain_kwargs)
        if func._schema.is_mutable:  # what was given is returned, as it is
            given = {id(plain(x)): x for x in tensors_in((args, kwargs))}
            return changed(out, lambda x: given.get(id(x), x))
        place = device if target is None else torch.device(target)
        return changed(out, lambda x: placed(x, place))


def device_of(func: Any, args: Any, kwargs: Any) -> torch.device:
    """The one device of an operation's tensors. Raises RuntimeError, as torch does, when there are two."""
    tensors = tensors_in((args, kwargs))
    if func in CROSSING:
        return tensors[0].device
    own = tensors[:1] if func in SELECTING else []
    others = [x for x in tensors[len(own) :] if x.device != CPU or (x.ndim > 0 and not own)]
    devices = {x.device for x in own + others}
    if len(devices) > 1:
        found = ", ".join(sorted(str(device) for device in devices))
        raise RuntimeError(f"{func} was given tensors on {found}")
    return devices.pop() if devices else CPU


def float8_product(
    a: Tensor, b: Tensor, scale_a: Tensor, scale_b: Tensor, bias: Tensor, unused: None, dtype: torch.dtype, **more: Any
) -> Tensor:
    """`torch._scaled_mm` of what a card takes; on a CPU torch's own is a hundred times as slow."""
    if not (a.is_contiguous() and b.t().is_contiguous()):
        raise RuntimeError("a float8 product takes rows by columns")
    if any(size % FLOAT8_MULTIPLE for size in (a.shape[1], *b.shape)):
        raise RuntimeError(f"a float8 product takes multiples of {FLOAT8_MULTIPLE}, not {a.shape} by {b.shape}")
    y = a.float() @ b.float() * (scale_a * scale_b)
    return (y if bias is None else y + bias.float()).to(dtype)


def changed(x: Any, change: Callable[[Tensor], Any]) -> Any:
    """`x` with every tensor in it changed."""
    if isinstance(x, Tensor):
        return change(x)
    if isinstance(x, (list, tuple)):
        return type(x)([changed(value, change) for value in x])
    return {name: changed(value, change) for name, value in x.items()} if isinstance(x, dict) else x


def tensors_in(x: Any) -> list[Tensor]:
    """All tensors in nested arguments, in their order."""
    found: list[Tensor] = []
    changed(x, found.append)
    return found


def plain(x: Any) -> Any:
    return x.inner if isinstance(x, OnCard) else x


def placed(x: Any, device: torch.device) -> Any:
    if not isinstance(x, Tensor) or device == CPU:
        return x
    with torch.inference_mode(False):  # a view of a wrapper must be of its kind
        return OnCard(x, device)


class PlayedGenerator(torch.Generator):
    """Draws on the CPU, and knows the device it was made for."""

    def __new__(cls, device: torch.device | str = "cpu") -> PlayedGenerator:
        self = super().__new__(cls)
        self.place = torch.device(device)
        return self


class PlayedCards(TorchFunctionMode):
    """Takes `cuda` devices from all calls, before torch looks for a card, and gives the results their place."""

    def __enter__(self) -> PlayedCards:
        # New parameters instead of new data in the old ones, which would stay tensors of the CPU.
        self._overwrites = torch.__future__.get_overwrite_module_params_on_conversion()
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        return super().__enter__()

    def __exit__(self, *raised: Any) -> None:
        torch.__future__.set_overwrite_module_params_on_conversion(self._overwrites)
        super().__exit__(*raised)

    def __torch_function__(self, func: Callable, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = list(args), dict(kwargs or {})
        if func in GUARDED and isinstance(args[0], OnCard):
            return guarded(func, args, kwargs)
        if func is Tensor.to and len(args) > 1 and isinstance(args[1], Tensor):
            kwargs.setdefault("dtype", args[1].dtype)
            args[1] = args[1].device
        wanted = next((x for x in (*args, *kwargs.values()) if is_card(x)), None)
        check_generator(kwargs.get("generator"), wanted)
        if func in NAMING or (wanted is None and func is not Tensor.new_tensor):
            return func(*args, **kwargs)
        device = indexed(wanted) if wanted is not None else args[0].device
        source = args[0] if args and isinstance(args[0], Tensor) else None
        arguments = [off_card(plain(x)) for x in args]
        out = func(*arguments, **{name: off_card(value) for name, value in kwargs.items()})
        if source is not None and out is plain(source):  # as it was, here or there
            return source if source.device == device else placed(out.clone(), device)
        return placed(out, device)


def guarded(func: Callable, args: list, kwargs: dict) -> Any:
    """An operation before which torch would ask the driver for the card."""
    indices = [] if func is Tensor.copy_ else tensors_in(args[1:2])
    if any(x.device not in (CPU, args[0].device) for x in indices):
        raise RuntimeError(f"indices on {indices[0].device} were used on a tensor on {args[0].device}")
    out = func(*changed(args, plain), **kwargs)
    return args[0] if out is plain(args[0]) else placed(out, args[0].device)


def check_generator(generator: PlayedGenerator | None, device: Any) -> None:
    """A generator draws on its own device only."""
    if generator is not None and generator.place.type != ("cpu" if device is None else "cuda"):
        raise RuntimeError(f"a generator of {generator.place} was asked to draw on {device}")


def is_card(x: Any) -> bool:
    """Whether an argument names a card."""
    if isinstance(x, str):
        return x.split(":")[0] == "cuda"
    return isinstance(x, torch.device) and x.type == "cuda"


def indexed(device: Any) -> torch.device:
    return torch.device("cuda", torch.device(device).index or 0)


def off_card(x: Any) -> Any:
    return CPU if is_card(x) else x
