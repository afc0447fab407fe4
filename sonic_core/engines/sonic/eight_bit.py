"""The UNet's weights in 8 bits: half the memory of half precision, for cards that would not hold the model otherwise.

The result changes a little; docs/performance.md has the error. Two kinds:

- `int8` stores a weight as whole numbers with a scale for each output channel. A layer makes its weight in the dtype of
  the activations when it is called. Runs on every device.
- `fp8` also multiplies in 8 bits: linear layers get e4m3 weights and round their input to e4m3, with one scale each.
  Needs a CUDA card of compute capability 8.9 (Ada, Hopper) or later. Layers without such a product (convolutions, odd
  sizes) are stored as `int8`.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

from sonic_core.engines.sonic.layers import TemporalConv
from sonic_core.errors import ModelError

EightBit = Literal["int8", "fp8"]

SMALLEST = 2**16
"""Weights of fewer values are not worth storing in 8 bits: the first and the last convolution stay as they are."""

FP8_CAPABILITY = (8, 9)
FP8 = torch.float8_e4m3fn
FP8_MULTIPLE = 16
"""Rows and columns of a float8 product on a card are multiples of this."""


def store_in_eight_bits(network: nn.Module, kind: EightBit, smallest: int = SMALLEST) -> None:
    """Replace the weights of linear layers and convolutions that have at least `smallest` values, in place."""
    layers = [(parent, name, child) for parent in network.modules() for name, child in parent.named_children()]
    for parent, name, layer in layers:
        if not isinstance(layer, nn.Linear | nn.Conv2d | TemporalConv) or layer.weight.numel() < smallest:
            continue
        if kind == "fp8" and has_fp8_product(layer):
            parent.add_module(name, Float8Linear(layer))
        else:
            # "unsafe" lets the stored values have another dtype than the weight that is made of them.
            register_parametrization(layer, "weight", ChannelScaled(), unsafe=True)


def has_fp8_product(layer: nn.Module) -> bool:
    """Whether cards multiply a layer of this kind and these sizes in float8."""
    return isinstance(layer, nn.Linear) and not any(n % FP8_MULTIPLE for n in layer.weight.shape)


def check_fp8(device: torch.device) -> None:
    """Raise ModelError when `device` has no float8 product."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= FP8_CAPABILITY:
        return
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    raise ModelError(f"fp8 needs an Nvidia card of the RTX 40 series or later, and this is {name}; use int8 instead")


class ChannelScaled(nn.Module):
    """A parametrization: a weight (out, ...) is int8 values times a scale for each output channel."""

    def forward(self, values: Tensor, scale: Tensor) -> Tensor:
        return values.to(scale.dtype) * scale

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        scale = weight.float().abs().amax(dim=tuple(range(1, weight.ndim)), keepdim=True).clamp(min=1e-12) / 127
        return (weight / scale).round().to(torch.int8), scale.to(weight.dtype)


class Float8Linear(nn.Module):
    """A linear layer (..., in) -> (..., out) whose product is of float8 values, summed in float32."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        values, scale = to_fp8(layer.weight)
        self.weight = nn.Parameter(values, requires_grad=False)
        self.scale = nn.Parameter(scale, requires_grad=False)
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        values, scale = to_fp8(x.flatten(0, -2))
        y = torch._scaled_mm(
            values, self.weight.t(), scale_a=scale, scale_b=self.scale, bias=self.bias, out_dtype=x.dtype
        )
        return y.unflatten(0, x.shape[:-1])


def to_fp8(x: Tensor) -> tuple[Tensor, Tensor]:
    """Round `x` to e4m3: the values and one scale, a float32 scalar; `x` is approximately values times scale."""
    scale = torch.linalg.vector_norm(x, ord=float("inf"), dtype=torch.float32).clamp(min=1e-12) / torch.finfo(FP8).max
    return (x / scale).to(FP8), scale
