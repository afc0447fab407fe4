"""Attention of the spatio-temporal transformer: within a frame, along time, and to image and audio tokens.

Module names give the published state-dict keys. Cross-attention takes keys and values that were projected before
(`context.py`), and never sees the tokens themselves.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MAX_BATCH_HEADS = 65535
"""Attention kernels put batch x heads on a grid axis of this size (CUDA's limit)."""

CPU_SLICE, CPU_ROWS = 2**19, 512
SMALLEST_SLICE = 2**26
"""Inner elements that a feed-forward layer computes at once: on a CPU at most CPU_SLICE, or CPU_ROWS rows if these are
more; on other devices at least SMALLEST_SLICE."""

MPS_SCORE_ELEMENTS = 2**28
"""On MPS the whole score matrix is made; slices keep it at 1 GiB in float32."""


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, max_scores: int | None = None) -> Tensor:
    """Multi-head attention, in slices of the batch where one call would be too large.

    Args:
        q: (n, l, c) queries.
        k: (n, t, c) keys.
        v: (n, t, c) values.
        heads: number of heads, a divisor of c.
        max_scores: most score elements (slice x heads x l x t) at once; None: what the device can take.

    Returns:
        (n, l, c).
    """
    if max_scores is None and q.device.type == "mps":
        max_scores = MPS_SCORE_ELEMENTS
    size = max(1, MAX_BATCH_HEADS // heads)
    if max_scores is not None:
        size = max(1, min(size, max_scores // (heads * q.shape[1] * k.shape[1])))
    if len(q) <= size:
        return _attend(q, k, v, heads)
    parts = zip(q.split(size), k.split(size), v.split(size), strict=True)
    return torch.cat([_attend(*part, heads) for part in parts])


def _attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    """Attention of a sequence to itself: (n, l, c) -> (n, l, c).

    Queries, keys and values are one projection here. State dicts, loaded or saved, have the three published ones.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])
        # The public names of these hooks, without the underscore, came with torch 2.5.
        self._register_load_state_dict_pre_hook(_join_projections, with_module=True)
        self._register_state_dict_hook(_split_projections)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.to_qkv(x).chunk(3, dim=-1)
        return self.to_out[0](attend(q, k, v, self.heads))


PROJECTIONS = ("to_q.weight", "to_k.weight", "to_v.weight")


def _join_projections(
    module: nn.Module, state: dict[str, Tensor], prefix: str, metadata: object, *unused: object
) -> None:
    parts = [state.pop(prefix + name) for name in PROJECTIONS if prefix + name in state]
    if len(parts) == len(PROJECTIONS):
        state[prefix + "to_qkv.weight"] = torch.cat(parts)


def _split_projections(module: nn.Module, state: dict[str, Tensor], prefix: str, metadata: object) -> None:
    joined = state.pop(prefix + "to_qkv.weight", None)
    if joined is not None:  # otherwise it is stored in 8 bits, under other names (`eight_bit.py`)
        parts = joined.chunk(len(PROJECTIONS))
        state.update({prefix + name: part for name, part in zip(PROJECTIONS, parts, strict=True)})


class AudioProcessor(nn.Module):
    """Holds the second key/value pair, for audio tokens, under its published name."""

    def __init__(self, channels: int, context_dim: int) -> None:
        super().__init__()
        self.to_k_ip = nn.ModuleList([nn.Linear(context_dim, channels, bias=False)])
        self.to_v_ip = nn.ModuleList([nn.Linear(context_dim, channels, bias=False)])


class CrossAttention(nn.Module):
    """Attention to one image token and some audio tokens; the two results are added before `to_out`.

    Softmax over the one image key is 1, so that result is `to_v(token)` whatever the query: `to_k` is in the
    published files and is not used.
    """

    def __init__(self, channels: int, heads: int, context_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(context_dim, channels, bias=False)
        self.to_v = nn.Linear(context_dim, channels, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])
        self.processor = AudioProcessor(channels, context_dim)

    def image_value(self, token: Tensor) -> Tensor:
        """Project image tokens (..., context_dim) to what they add to every query: (..., c)."""
        return self.to_v(token)

    def audio_keys_values(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Project audio tokens (..., t, context_dim) to keys and values (..., t, c)."""
        return self.processor.to_k_ip[0](tokens), self.processor.to_v_ip[0](tokens)

    def forward(self, x: Tensor, image: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend.

        Args:
            x: (n, l, c).
            image: (n, 1, c) from `image_value`.
            keys: (n, t, c) from `audio_keys_values`.
            values: (n, t, c).
            mask: (1, l, 1) factor of the audio result, or None.

        Returns:
            (n, l, c).
        """
        audio = attend(self.to_q(x), keys, values, self.heads)
        if mask is not None:
            audio = audio * mask
        return self.to_out[0](audio + image)


class FeedForward(nn.Module):
    """Gated GELU with four times the channels, done in slices: its inner tensor is the largest of the network."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.net = nn.ModuleList(
            [GatedProjection(channels, 4 * channels), nn.Identity(), nn.Linear(4 * channels, channels)]
        )

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(0, -2)
        size = slice_rows(x)
        if len(rows) <= size:
            return self.net[2](self.net[0](x))
        out = torch.empty_like(rows)
        for source, target in zip(rows.split(size), out.split(size), strict=True):
            target.copy_(self.net[2](self.net[0](source)))
        return out.view(x.shape)


def slice_rows(x: Tensor) -> int:
    """How many rows of `x` a feed-forward layer computes at once; its inner tensors are eight times as wide as `x`.

    On a CPU the inner tensors should fit into its caches, but for too few rows the weights would be read too often.
    On other devices every slice costs launches, so slices are as large as they can be without raising the peak of a
    call (`benchmarks/flops.py` measures the peak).
    """
    inner = 8 * x.shape[-1]
    if x.device.type == "cpu":
        return max(CPU_ROWS, CPU_SLICE // inner)
    return max(1, max(SMALLEST_SLICE, x.numel() * 27 // 10) // inner)


class GatedProjection(nn.Module):
    """`a * gelu(b)`: (..., c) -> (..., inner).

    The published files hold one projection for a and b, `proj`. Here there are two, because the halves of one tensor
    are not contiguous, and on a GPU activation and product took twice as long on them.
    """

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.value, self.gate = nn.Linear(channels, inner), nn.Linear(channels, inner)
        self._register_load_state_dict_pre_hook(_split_gate, with_module=True)
        self._register_state_dict_hook(_join_gate)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.gate(x)).mul_(self.value(x))


def _split_gate(module: nn.Module, state: dict[str, Tensor], prefix: str, metadata: object, *unused: object) -> None:
    for kind in ("weight", "bias"):
        if prefix + f"proj.{kind}" in state:
            halves = state.pop(prefix + f"proj.{kind}").chunk(2)
            state.update({prefix + f"{name}.{kind}": half for name, half in zip(GATE, halves, strict=True)})


def _join_gate(module: nn.Module, state: dict[str, Tensor], prefix: str, metadata: object) -> None:
    for kind in ("weight", "bias"):
        names = [prefix + f"{name}.{kind}" for name in GATE]
        if all(name in state for name in names):  # a weight may be stored in 8 bits under another name
            state[prefix + f"proj.{kind}"] = torch.cat([state.pop(name) for name in names])


GATE = ("value", "gate")
