"""Group norm, with or without SiLU after it, that leaves feature maps in channels-last memory.

On CUDA torch's group norm copies a channels-last tensor and returns a contiguous one, so that what follows runs in the
other layout; a UNet call has 105 of them. There the norm is computed here: in three Triton kernels where there is
Triton, and from torch's own operations otherwise. Everywhere else torch keeps the layout and computes the norm.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sonic_core.engines.sonic import triton_norm


class Norm(nn.GroupNorm):
    """`nn.GroupNorm` of (n, c, h, w), followed by SiLU when `silu` is asked for."""

    def forward(self, x: Tensor, silu: bool = False) -> Tensor:
        if x.device.type != "cuda":
            y = super().forward(x)
            return F.silu(y) if silu else y
        norm = triton_norm.group_norm if triton_norm.AVAILABLE else composed_group_norm
        return norm(x, self.num_groups, self.weight, self.bias, self.eps, silu)


def composed_group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float, silu: bool) -> Tensor:
    """Group norm of (n, c, h, w) with sums in float32, from operations that keep channels-last memory.

    One pass over `x` makes sums and squares of each channel, another applies a scale and a shift to each.
    """
    rows = x.permute(0, 2, 3, 1).flatten(1, 2)  # (n, s, c), a view of channels-last memory
    count, size, channels = rows.shape
    sums = rows.sum(dim=1, dtype=torch.float32)
    squares = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float32).square()
    elements = size * channels // groups
    mean = sums.view(count, groups, -1).sum(-1) / elements
    variance = (squares.view(count, groups, -1).sum(-1) / elements - mean.square()).clamp(min=0)
    scale = (variance + eps).rsqrt()[..., None] * weight.float().view(groups, -1)
    shift = bias.float().view(groups, -1) - mean[..., None] * scale
    y = torch.addcmul(shift.view(count, 1, channels), rows, scale.view(count, 1, channels))
    y = (F.silu(y) if silu else y).to(x.dtype)
    return y.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)
