"""An engine that needs no model: bars of colour as frames, one tiny network to be moved about. For the node tests."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from sonic_core.clip import Clip, frame_count
from sonic_core.engines.base import Latents, MemoryPlan, Stage
from sonic_core.errors import NoFaceError, NotEnoughMemoryError
from sonic_core.face.detect import Face
from sonic_core.face.framing import Portrait
from sonic_core.progress import OnStep, no_step
from sonic_core.settings import Settings


def face_at(box: tuple[float, float, float, float]) -> Face:
    """A face whose landmarks lie on a grid inside the box."""
    x, y = np.meshgrid(np.linspace(box[0], box[2], 22), np.linspace(box[1], box[3], 22))
    points = np.stack([x.ravel(), y.ravel(), np.zeros(484)], 1)[:478]
    return Face(box, points.astype(np.float32), 1.0)


class FakeDetector:
    def pick(self, photo: np.ndarray, index: int = 0) -> Face:
        height, width = photo.shape[:2]
        if index:
            raise NoFaceError(f"face {index} was asked for but the image has only face 0")
        return face_at((width * 0.3, height * 0.3, width * 0.7, height * 0.7))

    def detect(self, photo: np.ndarray) -> list[Face]:
        return [self.pick(photo)]

    def landmarks_in(self, photo: np.ndarray, box: Any) -> Face:
        return face_at(box)


@dataclass
class FakeEngine:
    name: str = "fake"
    size_multiple: int = 16
    needs_bytes: int = 1000
    network: torch.nn.Module = field(default_factory=lambda: torch.nn.Linear(2, 2))
    calls: list[str] = field(default_factory=list)
    hang: threading.Event | None = None  # what every stage waits for, as in one long step

    def condition(
        self, portrait: Portrait, speech: np.ndarray, settings: Settings, on_step: OnStep = no_step
    ) -> dict[str, Any]:
        self.calls.append("condition")
        self.wait()
        return {"portrait": portrait, "seconds": len(speech) / 16000}

    def sample(self, conditions: Any, settings: Settings, on_step: OnStep = no_step) -> Latents:
        self.calls.append("sample")
        self.wait()
        for step in range(settings.inference_steps):
            on_step(step + 1, settings.inference_steps, np.full((8, 8, 3), 0.5, np.float32))
        values = torch.randn(4, 2, generator=torch.Generator().manual_seed(settings.seed))
        return Latents(self.name, values, conditions["portrait"], conditions["seconds"])

    def decode(self, latents: Latents, settings: Settings) -> Clip:
        height, width = latents.portrait.image.shape[:2]
        count = frame_count(latents.seconds, settings.fps)

        def make() -> Any:
            self.calls.append("decode")
            self.wait()
            for index in range(count):
                yield np.full((1, height, width, 3), index / count, np.float32)

        return Clip(width, height, count, Fraction(settings.fps).limit_denominator(1001), make)

    def wait(self) -> None:
        if self.hang is not None:
            self.hang.wait(60)

    def networks(self, stage: Stage) -> list[torch.nn.Module]:
        return [self.network]

    def plan_memory(self, settings: Settings, size: tuple[int, int], seconds: float, free_bytes: int) -> MemoryPlan:
        if free_bytes < self.needs_bytes:
            raise NotEnoughMemoryError(
                f"{self.needs_bytes} bytes are needed but {free_bytes} are free; close something"
            )
        return MemoryPlan(self.needs_bytes, 8, 1)
