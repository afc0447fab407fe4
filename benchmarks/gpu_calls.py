"""UNet calls at full size on a card: time, share of the matrix rate, memory, kernels, error of narrower numbers."""

import copy
import dataclasses
import functools
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.card import Card, kernels
from benchmarks.reference_unet import ReferenceContext, call, reference_unet
from benchmarks.shapes import call_inputs, clip_context, random_tokens, random_unet, window_context
from benchmarks.trace import flops
from sonic_core.engines.sonic.checkpoint import laid_out
from sonic_core.engines.sonic.context import ClipContext
from sonic_core.engines.sonic.eight_bit import EightBit, store_in_eight_bits
from sonic_core.engines.sonic.graphs import GraphedNetwork
from sonic_core.engines.sonic.memory import network_bytes
from sonic_core.engines.sonic.unet import SonicUNet

BIG, SMALL = 512, 256


def kinds(card: Card) -> tuple[EightBit, ...]:
    """Kinds of 8 bits to measure; a product in float8 takes minutes on a CPU."""
    return ("int8",) if card.tiny else ("int8", "fp8")


@dataclasses.dataclass
class Call:
    """A call of three branches on one window at `size` pixels."""

    card: Card
    unet: SonicUNet
    size: int

    def __post_init__(self) -> None:
        card, self.side = self.card, self.size // 8
        torch.manual_seed(0)
        dtype = self.unet.conv_in.weight.dtype
        latents, *others = call_inputs(card.config, card.frames, self.side, str(card.device), torch.float32)
        self.inputs = (latents.to(dtype), *others)
        self.tokens = random_tokens(card.config, card.frames, self.size, str(card.device))
        self.kept: ClipContext = clip_context(self.unet, self.tokens, self.side, card.frames)

    def together(self) -> Tensor:
        return self.through(self.unet.forward_cached)

    def through(self, network: Callable) -> Tensor:
        return network(*self.inputs, window_context(self.kept, self.card.frames), None)[0]

    def apart(self) -> Tensor:
        """The branches one after another."""
        return torch.cat([self.branch(branch) for branch in range(len(self.inputs[0]))])

    def branch(self, branch: int, network: Callable | None = None) -> Tensor:
        latents, timestep, scalars = self.inputs
        window, one = torch.arange(self.card.frames)[None], slice(branch, branch + 1)
        context = self.kept.of_windows(window, (branch,))
        return (network or self.unet.forward_cached)(latents[one], timestep, scalars[one], context, None)[0]

    def last(self, network: Callable) -> Tensor:
        """The branch with image and audio."""
        return self.branch(2, network)


def made_unet(card: Card, dtype: torch.dtype | None = None) -> SonicUNet:
    """A UNet of random weights as a loaded one stands on a GPU."""
    torch.manual_seed(0)
    unet = random_unet(card.config, str(card.device), dtype or card.dtype)
    for parameter in unet.parameters():
        parameter.data = laid_out(parameter.data)
    return unet


def precision(card: Card) -> None:
    """Half precision and 8 bits against float32 without TF32, one call at 256 pixels."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    size = 64 if card.tiny else SMALL
    exact = made_unet(card, torch.float32)
    wanted = Call(card, exact, size).together()

    def error(change: Callable[[SonicUNet], object]) -> dict:
        unet = copy.deepcopy(exact)
        change(unet)
        difference = Call(card, unet, size).together().float() - wanted
        return {
            "root mean square": f"{float(difference.norm() / wanted.norm()):.1e}",
            "largest": f"{float(difference.abs().max() / wanted.abs().max()):.1e}",
        }

    card.guarded("error of a call", "float16", lambda: error(lambda unet: unet.half()))
    card.guarded("error of a call", "bfloat16", lambda: error(lambda unet: unet.bfloat16()))
    for kind in kinds(card):
        change = functools.partial(stored_in, kind)
        card.guarded("error of a call", f"{kind}, float16", lambda change=change: error(change))
    torch.backends.cudnn.allow_tf32 = True
    card.guarded("error of a call", "float32 with torch's TF32 convolutions", lambda: error(lambda unet: unet))


def ours(card: Card, sizes: list[int]) -> None:
    """The table of calls."""
    unet = made_unet(card)
    for size in sizes:
        calls_at(card, unet, size)
    del unet  # the peaks of what follows are without it
    for kind in kinds(card):
        card.guarded("part", kind, lambda kind=kind: eight_bit(card, stored_in(kind, made_unet(card)), kind, sizes))


def calls_at(card: Card, unet: SonicUNet, size: int) -> None:
    """The rows of one size."""
    one = Call(card, unet, size)
    work = flops(one.together)
    table = f"{size} x {size}"
    card.guarded(table, "ours", lambda: card.call(one.together, work))
    card.guarded(table, "ours, a branch at a time", lambda: card.call(one.apart, work))
    card.guarded(table, "ours, one branch only", lambda: card.call(lambda: one.branch(2), work // 3))
    if size <= BIG and not card.tiny:
        card.guarded(table, "ours, CUDA graph", lambda: graphed(card, one.through, one.unet, work))
        card.guarded(table, "ours, one branch only, CUDA graph", lambda: graphed(card, one.last, one.unet, work // 3))
    if size == BIG:
        torch.backends.cudnn.benchmark = True
        card.guarded(table, "ours, cudnn.benchmark", lambda: card.call(one.together, work))
        torch.backends.cudnn.benchmark = False


def graphed(card: Card, run: Callable[[Callable], Tensor], unet: SonicUNet, work: int) -> dict:
    """`run` on a recorded network: its first call is as usual, the second is recorded."""
    network = GraphedNetwork(unet.forward_cached, math.inf)
    run(network)
    figures = card.call(lambda: run(network), work)
    return {**figures, "differs from eager by": f"{float((run(network) - run(unet.forward_cached)).abs().max()):.1e}"}


def stored_in(kind: EightBit, unet: SonicUNet) -> SonicUNet:
    """The UNet in half precision with its weights in 8 bits."""
    store_in_eight_bits(unet.half() if unet.conv_in.weight.is_cuda else unet, kind)
    return unet


def eight_bit(card: Card, unet: SonicUNet, kind: str, sizes: list[int]) -> dict:
    card.empty()
    for size in sizes[:2]:
        one = Call(card, unet, size)
        card.guarded(f"{size} x {size}", f"ours, {kind}", lambda one=one: card.call(one.together))
    return {"weights GiB": round(network_bytes(unet) / 2**30, 2)}


def reference(card: Card, sizes: list[int]) -> None:
    """diffusers' UNet with audio attention on the same shapes."""
    with card.device:
        unet = reference_unet(dataclasses.asdict(card.config)).to(card.device, card.dtype)
    for size in sizes:
        run = reference_call(card, unet, size)
        work = flops(run)
        card.guarded(f"{size} x {size}", "diffusers' UNet and audio", lambda run=run, work=work: card.call(run, work))
    profiled(card, "diffusers", reference_call(card, unet, sizes[0]), 6)


def reference_call(card: Card, unet: torch.nn.Module, size: int) -> Callable[[], Tensor]:
    side = size // 8
    latents, timestep, scalars = call_inputs(card.config, card.frames, side, str(card.device), card.dtype)
    tokens = random_tokens(card.config, card.frames, size, str(card.device))
    image = tokens.image.to(card.dtype).expand(3, card.frames, 1, -1)
    audio = tokens.audio.to(card.dtype).expand(3, *tokens.audio.shape)
    context = ReferenceContext(image, audio, tokens.mask, (side, side))
    return lambda: call(unet, latents, timestep, scalars.to(card.dtype), context)


def profile_ours(card: Card, size: int) -> None:
    profiled(card, "ours", Call(card, made_unet(card), size).together, 24)


def profiled(card: Card, name: str, run: Callable[[], object], most: int) -> None:
    """Kernels of a call, and which take the time."""
    run()
    found = kernels(run)
    total = sum(spent for _, spent in found.values())
    card.row("kernels", what=name, launches=sum(count for count, _ in found.values()), ms=round(total, 1))
    for kernel, (count, spent) in sorted(found.items(), key=lambda item: -item[1][1])[:most]:
        card.row(f"kernels, {name}", ms=round(spent, 2), launches=count, kernel=short(kernel))


def short(kernel: str) -> str:
    """The telling part of a kernel's name."""
    return kernel.replace("at::native::", "").replace("void ", "")[:110]


def compiled(card: Card, size: int) -> None:
    """What compiling costs and brings."""
    unet = made_unet(card)
    one = Call(card, unet, size)
    work = flops(one.together)
    wanted = one.together()
    eager = card.seconds(one.together)
    network = torch.compile(unet.forward_cached, dynamic=False)
    start = time.perf_counter()
    result = one.through(network)
    card.synchronize()
    cold = time.perf_counter() - start
    difference = float((result - wanted).abs().max() / wanted.abs().max())
    figures = card.call(lambda: one.through(network), work)
    saved = eager - figures["ms"] / 1e3
    card.row(
        "compiled",
        size=size,
        **figures,
        eager_ms=round(1e3 * eager, 1),
        start_s=round(cold, 1),
        pays_after_calls=round(cold / saved) if saved > 0 else "never",
        largest_difference=f"{difference:.1e}",
    )
