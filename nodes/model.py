"""Networks whose place ComfyUI decides, together with every other pack's; and SONIC_MODEL, a pipeline made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import comfy.model_patcher
import numpy as np
import torch
from comfy import model_management

from sonic_core.clip import Clip
from sonic_core.engines.base import MemoryPlan, Stage
from sonic_core.pipeline import SonicPipeline
from sonic_core.settings import Settings

from . import host, work

STAGES: tuple[Stage, ...] = ("condition", "sample", "decode")


class SonicNetwork(torch.nn.Module):
    """A network that ModelPatcher can hold: it sets `device` on its model, which library models forbid."""

    def __init__(self, network: torch.nn.Module):
        super().__init__()
        self.network = network


@dataclass(frozen=True)
class ManagedNetworks:
    """Networks that rest where ComfyUI keeps idle ones; `to_device` has it bring them to the compute device."""

    patchers: tuple[Any, ...]

    def to_device(self, memory_bytes: int = 0) -> None:
        """Load, with room for `memory_bytes` beside the networks; others are unloaded where that needs it."""
        if self.patchers:
            model_management.load_models_gpu(list(self.patchers), memory_required=memory_bytes, force_full_load=True)

    def behind(self, clip: Clip, memory_bytes: int = 0) -> Clip:
        """The clip, with the networks brought back whenever its frames are asked for: they may have been moved."""

        def make() -> Iterator[np.ndarray]:
            self.to_device(memory_bytes)
            return clip.make()

        return clip.replaced(make=make)


def managed(network: torch.nn.Module) -> Any:
    """ComfyUI's handle of a network, by which it moves it."""
    # Looked up now: ComfyUI binds the name anew while it starts.
    patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    work.stop_when_left(network)
    return patcher(
        SonicNetwork(network),
        load_device=model_management.get_torch_device(),
        offload_device=model_management.unet_offload_device(),
    )


@dataclass(frozen=True)
class SonicModel:
    """SONIC_MODEL: one engine, loaded once, and the networks of each of its stages. Stages may share networks."""

    pipeline: SonicPipeline
    stages: dict[Stage, ManagedNetworks]

    @classmethod
    def of(cls, pipeline: SonicPipeline) -> SonicModel:
        networks = {stage: pipeline.engine.networks(stage) for stage in STAGES}
        handles = {id(network): managed(network) for stage in STAGES for network in networks[stage]}
        return cls(pipeline, {s: ManagedNetworks(tuple(handles[id(n)] for n in networks[s])) for s in STAGES})

    def plan(self, settings: Settings, size: tuple[int, int], seconds: float) -> MemoryPlan:
        """The engine's plan for the memory there is now. Raises NotEnoughMemoryError before anything has run."""
        moved = self.stages["sample"].patchers
        device = moved[0].load_device if moved else torch.device("cpu")
        return self.pipeline.engine.plan_memory(settings, size, seconds, host.free_memory(device))
