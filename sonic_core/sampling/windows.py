"""Shifted circular windows: how a long clip is cut for a network that sees a fixed number of frames.

The cuts move from step to step, which is what carries motion from one window to the next. All indices are
modulo the number of frames: the last window runs on into the first frames, and in a clip shorter than a window
a frame stands in it more than once.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Windows:
    """`length` frames a window, `overlap` shared with the next, all cuts moved back by `shift` each step."""

    length: int
    overlap: int = 0
    shift: int = 0

    def at(self, frames: int, step: int) -> Tensor:
        """Return the frame indices of every window in sampling step `step`: (windows, length) int64."""
        return circular_windows(frames, self.length, self.overlap, start=-self.shift * step)

    def count(self, frames: int) -> int:
        """Number of windows in a step."""
        return math.ceil(frames / (self.length - self.overlap))


def circular_windows(frames: int, length: int, overlap: int = 0, start: int = 0) -> Tensor:
    """Return (windows, length) int64 indices that cover all frames at least once.

    Raises:
        ValueError: there is no frame, or `overlap` is not in [0, length).
    """
    if frames < 1 or not 0 <= overlap < length:
        raise ValueError(f"cannot cut {frames} frames into windows of {length} with overlap {overlap}")
    stride = length - overlap
    starts = start + stride * torch.arange(math.ceil(frames / stride))
    return (starts[:, None] + torch.arange(length)) % frames


def merge_windows(parts: Tensor, indices: Tensor, frames: int) -> Tensor:
    """Average windows (windows, length, ...) back into frames (n, ...); `indices` is (windows, length)."""
    flat = indices.reshape(-1).to(parts.device)
    values = parts.reshape(-1, *parts.shape[2:])
    total = values.new_zeros(frames, *values.shape[1:]).index_add_(0, flat, values)
    count = torch.bincount(flat, minlength=frames).to(values.dtype)
    return total / count.reshape(-1, *[1] * (total.ndim - 1))
