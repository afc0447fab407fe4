"""Whole clips at full size on a card, random weights: do the plans fit into smaller cards, and what a clip costs."""

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.card import GIB, Card
from benchmarks.memory import full_size_engine
from sonic_core.engines.sonic import memory
from sonic_core.engines.sonic.checkpoint import RELEASED_IMAGE_ENCODER, laid_out
from sonic_core.engines.sonic.eight_bit import store_in_eight_bits
from sonic_core.engines.sonic.engine import SonicEngine
from sonic_core.engines.sonic.options import FAST, RELEASED
from sonic_core.engines.sonic.vae import RELEASED_CONFIG, tiled
from sonic_core.face.detect import Face
from sonic_core.face.framing import Portrait
from sonic_core.settings import Settings

CARDS, SIZES = (8, 12, 16, 24), (512, 768, 1024)
TAKEN = 0.8
"""GiB of a card that CUDA and the desktop take."""


TINY_IMAGE_ENCODER = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
TINY_VAE = {"block_out_channels": [32, 32, 32, 32], "layers_per_block": 1}


def made_engine(card: Card) -> SonicEngine:
    """All networks, the released sizes on a card."""
    if not card.tiny:
        return full_size_engine(card.device)
    image_encoder, vae = RELEASED_IMAGE_ENCODER | TINY_IMAGE_ENCODER, RELEASED_CONFIG | TINY_VAE
    return full_size_engine(card.device, card.config, image_encoder, vae)


def plans(card: Card) -> None:
    """Every plan of `benchmarks/memory.py` in a process that may not take more than that card has.

    A clip of 2 s in one step, which needs what a long one does: one window at a time, chunk after chunk.
    """
    engine = made_engine(card)

    def each(cards: tuple[int, ...], sizes: tuple[int, ...], name: str) -> None:
        for size in sizes:
            for gib in cards:
                row = functools.partial(planned, card, engine, gib, size)
                card.guarded(f"plans, {size} x {size}", f"{gib} GiB{name}", row)

    if card.tiny:
        return each((8,), (64,), "")
    each(CARDS, SIZES, "")
    store_in_eight_bits(engine.net.unet, "int8")
    each((6, 8), SIZES, ", int8")


def planned(card: Card, engine: SonicEngine, gib: float, size: int) -> dict:
    settings, seconds = Settings(inference_steps=1, fps=12.5), 2.0
    portrait, speech = given(size, seconds)
    with card_of(card, gib) as limit:
        plan = engine.plan_memory(settings, (size, size), seconds, limit - allocated(card))
        peaks = {}

        def stage(name: str, start: float) -> None:
            card.synchronize()
            peaks[name] = f"{card.peak_bytes / GIB:.1f} GiB, {time.perf_counter() - start:.1f} s"
            card.empty()

        card.empty()
        start = time.perf_counter()
        conditions = engine.condition(portrait, speech, settings)
        stage("conditioning", start)
        start = time.perf_counter()
        latents = engine.sample(conditions, settings)
        stage("sampling", start)
        start = time.perf_counter()
        for _ in engine.decode(latents, settings).chunks():
            pass
        stage("decoding", start)
    return {
        "planned": f"{plan.peak_bytes / GIB:.1f} GiB",
        "branches": plan.branch_batch,
        "alone": plan.alone,
        "chunk": plan.decode_chunk,
        "tile": plan.tile,
        **peaks,
        "decoder": str(engine.net.vae.dtype),
    }


@contextmanager
def card_of(card: Card, gib: float) -> Iterator[int]:
    """This card as one of `gib` GiB; yields the bytes of it that are ours."""
    limit = int((gib - TAKEN) * GIB)
    if card.tiny:
        yield limit
        return
    card.empty()
    torch.cuda.set_per_process_memory_fraction(limit / torch.cuda.mem_get_info()[1])
    with patch.object(memory, "free_bytes", lambda device: limit - allocated(card)):
        try:
            yield limit
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)


def allocated(card: Card) -> int:
    return 0 if card.tiny else torch.cuda.memory_allocated()


def decoding(card: Card) -> None:
    """Time and memory of a decoded chunk of 8 frames: whole, in tiles, and with the weights in the other layout."""
    side = 16 if card.tiny else 64
    vae = made_engine(card).net.vae
    latents = torch.randn(8, 4, side, side, device=card.device)
    table = f"decoding 8 frames, {8 * side} x {8 * side}"
    card.guarded(table, "whole", lambda: card.call(lambda: vae.decode(latents)))
    for tile in (side * 3 // 4, side // 2):
        decode = tiled(vae.decode, tile, vae.factor)
        card.guarded(table, f"tiles of {tile}", lambda decode=decode: card.call(lambda: decode(latents)))
    for module in vae.network.decoder.modules():
        for parameter in module.parameters(recurse=False):
            parameter.data = laid_out(parameter.data)
    card.guarded(table, "whole, weights channels last", lambda: card.call(lambda: vae.decode(latents)))


def clips(card: Card) -> None:
    """Seconds of each stage of a clip, from the portrait to frames in main memory, RIFE to 25 fps included."""
    seconds, size = (0.5, 64) if card.tiny else (10.0, 512)
    engine = made_engine(card)
    quality, fast = Settings(), Settings(inference_steps=10, fast=True)
    if card.tiny:
        quality, fast = replace(quality, inference_steps=2), replace(fast, inference_steps=3)
    whole(card, engine, "warming up", replace(fast, inference_steps=3), 1.0, size)
    whole(card, engine, "high_quality, 25 steps", quality, seconds, size)
    whole(card, engine, "fast, 10 steps", fast, seconds, size)


def whole(card: Card, engine: SonicEngine, name: str, settings: Settings, seconds: float, size: int) -> None:
    def measure() -> dict:
        portrait, speech = given(size, seconds)
        times = {}
        start = time.perf_counter()
        conditions = engine.condition(portrait, speech, settings)
        times["conditioning s"] = time.perf_counter() - start
        latents = engine.sample(conditions, settings)
        times["sampling s"] = time.perf_counter() - start - times["conditioning s"]
        frames = sum(len(chunk) for chunk in engine.decode(latents, settings).chunks())
        times["whole s"] = time.perf_counter() - start
        return {"seconds": seconds, "frames": frames, **{k: round(v, 2) for k, v in times.items()}}

    card.guarded(f"clip, {size} x {size}", name, measure)


def switches(card: Card) -> None:
    """Error against 25 exact steps and time of the approximate switches, full size, one window, random weights."""
    seconds, size = (0.5, 64) if card.tiny else (2.0, 512)
    engine = made_engine(card)
    conditions = engine.condition(*given(size, seconds), Settings())
    steps, few = (4, 3) if card.tiny else (25, 10)
    cases = {
        "25 steps": (steps, RELEASED),
        "fast": (few, FAST),
        "25 steps, skip_below 0.1": (steps, replace(RELEASED, skip_below=0.1)),
        "25 steps, feature_reuse 2": (steps, replace(RELEASED, feature_reuse=2)),
        "fast, skip_below 0.1": (few, replace(FAST, skip_below=0.1)),
    }
    made: dict[str, torch.Tensor] = {}
    for name, (count, approximations) in cases.items():

        def measure(name: str = name, count: int = count, approximations=approximations) -> dict:  # type: ignore[no-untyped-def]
            engine.approximations = approximations
            start = time.perf_counter()
            made[name] = engine.sample(conditions, Settings(inference_steps=count, fast=True)).values.float()
            spent = time.perf_counter() - start
            difference = (made[name] - made["25 steps"]).square().mean().sqrt() / made["25 steps"].std()
            return {"s": round(spent, 2), "error": round(float(difference), 3)}

        card.guarded("switches", name, measure)


def given(size: int, seconds: float) -> tuple[Portrait, np.ndarray]:
    """A portrait of noise and a speech of noise."""
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
    quarter = size / 4
    face = Face((quarter, quarter, 3 * quarter, 3 * quarter), np.zeros((478, 3), np.float32), 1.0)
    return Portrait(image, face), (0.1 * random.standard_normal(round(seconds * 16000))).astype(np.float32)
