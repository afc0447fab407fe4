"""Single operations of a call at 512 pixels on a card, the ways they could be done: why ours are done so."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.card import Card
from sonic_core.engines.sonic import attention, triton_norm
from sonic_core.engines.sonic.attention import FeedForward, attend
from sonic_core.engines.sonic.norms import composed_group_norm

LEVELS = ((320, 64), (640, 32), (1280, 16))
TINY_LEVELS = ((64, 8),)
"""Channels and side of the feature maps."""


def single_operations(card: Card) -> None:
    """Every operation at every level."""
    levels = TINY_LEVELS if card.tiny else LEVELS
    for measure in (norms, convolutions, feed_forward, attentions):
        for channels, side in levels:
            card.guarded("part", measure.__name__, lambda m=measure, c=channels, s=side: m(card, c, s) or {})


def norms(card: Card, channels: int, side: int) -> None:
    """Group norm with SiLU, and the layout it comes back in."""
    x = features(card, channels, side)
    weight, bias = torch.ones(2, channels, device=card.device, dtype=card.dtype)
    ways: dict[str, Callable[[], Tensor]] = {
        "torch": lambda: F.silu(F.group_norm(x, 32, weight, bias)),
        "composed": lambda: composed_group_norm(x, 32, weight, bias, 1e-5, True),
    }
    if triton_norm.AVAILABLE and not card.tiny:
        ways["Triton"] = lambda: triton_norm.group_norm(x, 32, weight, bias, 1e-5, True)
    wanted = F.silu(F.group_norm(x.float(), 32, weight.float(), bias.float()))
    for name, run in ways.items():
        card.guarded(f"group norm {channels} x {side}", name, lambda run=run: compared(card, run, wanted))


def compared(card: Card, run: Callable[[], Tensor], wanted: Tensor) -> dict:
    y = run()
    last = y.is_contiguous(memory_format=torch.channels_last)
    return {
        "ms": round(1e3 * card.seconds(run, 10), 3),
        "layout": "channels last" if last else "contiguous",
        "differs by": f"{float((y.float() - wanted).abs().max()):.1e}",
    }


def convolutions(card: Card, channels: int, side: int) -> None:
    """A spatial and a temporal convolution in both layouts, and the temporal one as matrix products."""
    x = features(card, channels, side)
    weight = torch.randn(channels, channels, 3, 3, device=card.device, dtype=card.dtype) / channels
    last = weight.to(memory_format=torch.channels_last)
    table = f"convolution {channels} x {side}"
    timed(card, table, "3 x 3, channels last", lambda: F.conv2d(x, last, padding=1))
    plain = x.contiguous()
    timed(card, table, "3 x 3, contiguous", lambda: F.conv2d(plain, weight, padding=1))
    rows = x.permute(0, 2, 3, 1).reshape(-1, card.frames, side * side, channels)  # (b, f, s, c)
    along_time = rows.permute(0, 3, 1, 2)  # (b, c, f, s), channels last
    kernel = torch.randn(channels, channels, 3, device=card.device, dtype=card.dtype) / channels
    flat = kernel[..., None].to(memory_format=torch.channels_last)
    wanted = F.conv2d(along_time, flat, padding=(1, 0)).permute(0, 2, 3, 1)
    timed(card, table, "3 frames, channels last", lambda: F.conv2d(along_time, flat, padding=(1, 0)))
    whole = along_time.contiguous()
    timed(card, table, "3 frames, contiguous", lambda: F.conv2d(whole, kernel[..., None], padding=(1, 0)))
    one, two = (lambda: shifted_products(rows, kernel)), (lambda: joined_product(rows, kernel))
    timed(card, table, "3 frames, three products", one, wanted)
    timed(card, table, "3 frames, one product of joined frames", two, wanted)


def shifted_products(rows: Tensor, kernel: Tensor) -> Tensor:
    """A convolution over frames as three products: rows (b, f, s, c), kernel (o, c, 3) -> (b, f, s, o)."""
    out = rows @ kernel[..., 1].t()
    for x, y in zip(rows, out, strict=True):
        y[1:].flatten(0, 1).addmm_(x[:-1].flatten(0, 1), kernel[..., 0].t())
        y[:-1].flatten(0, 1).addmm_(x[1:].flatten(0, 1), kernel[..., 2].t())
    return out


def joined_product(rows: Tensor, kernel: Tensor) -> Tensor:
    """The same as one product of every frame joined with its neighbours."""
    padded = F.pad(rows, (0, 0, 0, 0, 1, 1))
    joined = torch.cat([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]], dim=-1)
    return joined @ kernel.permute(2, 1, 0).flatten(0, 1)


def feed_forward(card: Card, channels: int, side: int) -> None:
    """The slices of a feed-forward layer: smaller, as they are, none."""
    usual = attention.slice_rows
    layer = FeedForward(channels).to(card.device, card.dtype).requires_grad_(False)
    x = torch.randn(3 * card.frames, side * side, channels, device=card.device, dtype=card.dtype)
    for name, rows in (("a quarter", usual(x) // 4), ("as it is", usual(x)), ("one slice", len(x) * side * side)):
        attention.slice_rows = lambda _, rows=rows: rows  # type: ignore[assignment, misc]
        card.guarded(f"feed-forward {channels} x {side}", name, lambda: card.call(lambda: layer(x)))
    attention.slice_rows = usual


def attentions(card: Card, channels: int, side: int) -> None:
    """Self-attention within frames and along time, layer norm beside it."""
    table, heads = f"attention {channels} x {side}", channels // 64
    qkv = torch.randn(3 * card.frames, side * side, 3 * channels, device=card.device, dtype=card.dtype)
    timed(card, table, "within a frame", lambda: attend(*qkv.chunk(3, -1), heads))
    joined = qkv.view(3, card.frames, side * side, -1).transpose(1, 2).flatten(0, 1)
    timed(card, table, "along time", lambda: attend(*joined.chunk(3, -1), heads))
    norm = nn.LayerNorm(channels, device=card.device, dtype=card.dtype).requires_grad_(False)
    x = qkv[..., :channels].contiguous()
    timed(card, table, "layer norm", lambda: norm(x))
    timed(card, table, "the change of view between frames and time", lambda: turned(x, card.frames))


def turned(x: Tensor, frames: int) -> Tensor:
    return x.unflatten(0, (-1, frames)).transpose(1, 2).flatten(0, 1)


def timed(card: Card, table: str, name: str, run: Callable[[], Tensor], wanted: Tensor | None = None) -> None:
    def measure() -> dict:
        result = run()
        figures: dict = {"ms": round(1e3 * card.seconds(run, 10), 3)}
        if wanted is not None:
            difference = (result - wanted).float().abs().max() / wanted.float().abs().max()
            figures["differs by"] = f"{float(difference):.1e}"
        return figures

    card.guarded(table, name, measure)


def features(card: Card, channels: int, side: int) -> Tensor:
    """A feature map of a call, channels last."""
    x = torch.randn(3 * card.frames, channels, side, side, device=card.device, dtype=card.dtype)
    return x.to(memory_format=torch.channels_last)
