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

from . import host

STAGES: tuple[Stage, ...] = ("condition", "sample", "decode")


class SonicNetworks(torch.nn.Module):
    """Networks that are moved together. ModelPatcher sets `device` on what it holds, which library models forbid."""

    def __init__(self, networks: list[torch.nn.Module]):
        super().__init__()
        self.networks = torch.nn.ModuleList(networks)


class Managed:
    """Networks that rest where ComfyUI keeps idle ones; `to_device` has it bring them to the compute device."""

    def __init__(self, networks: list[torch.nn.Module]):
        self.patcher: Any = None
        if networks:
            # Looked up now: ComfyUI binds the name anew while it starts.
            patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
            self.patcher = patcher(
                SonicNetworks(networks),
                load_device=model_management.get_torch_device(),
                offload_device=model_management.unet_offload_device(),
            )

    def to_device(self, memory_bytes: int = 0) -> None:
        """Load, with room for `memory_bytes` beside the networks; others are unloaded where that needs it."""
        if self.patcher is not None:
            model_management.load_models_gpu([self.patcher], memory_required=memory_bytes, force_full_load=True)

    def behind(self, clip: Clip, memory_bytes: int = 0) -> Clip:
        """The clip, with the networks brought back whenever its frames are asked for: they may have been moved."""

        def make() -> Iterator[np.ndarray]:
            self.to_device(memory_bytes)
            return clip.make()

        return clip.replaced(make=make)


@dataclass(frozen=True)
class SonicModel:
    """SONIC_MODEL: one engine, loaded once, and the networks of each of its stages."""

    pipeline: SonicPipeline
    stages: dict[Stage, Managed]

    @classmethod
    def of(cls, pipeline: SonicPipeline) -> SonicModel:
        return cls(pipeline, {stage: Managed(pipeline.engine.networks(stage)) for stage in STAGES})

    def plan(self, settings: Settings, size: tuple[int, int], seconds: float) -> MemoryPlan:
        """The engine's plan for the memory there is now. Raises NotEnoughMemoryError before anything has run."""
        device = model_management.get_torch_device()
        return self.pipeline.engine.plan_memory(settings, size, seconds, host.free_memory(device))
