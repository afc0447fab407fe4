"""The protocol every engine follows: condition, sample, decode, and say beforehand what that costs.

The pipeline, the nodes, the workers and the tests see only this. An engine gets a portrait that is already framed
(cropped and resized to what the engine asked for) and mono 16 kHz speech of the final length; it gives a lazy Clip.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch

from sonic_core.clip import Clip
from sonic_core.face.framing import Portrait
from sonic_core.media.stored_sound import Speech
from sonic_core.progress import OnStep, no_step
from sonic_core.settings import Settings

SPEECH_RATE = 16000

Stage = Literal["condition", "sample", "decode"]


@dataclass(frozen=True)
class Latents:
    """What sampling made and decoding needs.

    `values` has the frames first: lite (n, 27) motion at 25 fps, sonic (n, 4, h, w) at 12.5 fps. `portrait` is what
    they move; `seconds` is how long the finished clip is, at whatever frame rate it is decoded.
    """

    engine: str
    values: torch.Tensor
    portrait: Portrait
    seconds: float
    extra: dict[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class MemoryPlan:
    """What a run will need, and how it will be cut to fit; see `Engine.plan_memory`."""

    peak_bytes: int
    decode_chunk: int  # frames decoded at once
    window_batch: int  # windows of one step sampled at once
    tile: int | None = None  # side of a decoding tile in latent pixels, None for whole frames
    notes: str = ""
    branch_batch: int | None = None  # branches of guidance computed at once, None for all
    alone: bool = False  # only the networks of the stage at hand stay on the device


class Engine(Protocol):
    """What every engine can do. Conditions are the engine's own; callers only hand them on."""

    name: str
    size_multiple: int  # both sides of the framed portrait are multiples of this

    def condition(self, portrait: Portrait, speech: Speech, settings: Settings, on_step: OnStep = no_step) -> Any:
        """Everything that is computed once a clip. `speech` is float32 (samples,) at 16 kHz, an array or a file."""
        ...

    def sample(self, conditions: Any, settings: Settings, on_step: OnStep = no_step) -> Latents:
        """Audio-conditioned diffusion in the engine's latent space."""
        ...

    def decode(self, latents: Latents, settings: Settings) -> Clip:
        """Latents to a lazy Clip without audio, exactly `frame_count(seconds, settings.fps)` frames long."""
        ...

    def networks(self, stage: Stage) -> list[torch.nn.Module]:
        """What a stage computes with, for a host that moves networks between devices; none when nothing is moved.

        The engine computes where their parameters are at the time of the call.
        """
        ...

    def plan_memory(self, settings: Settings, size: tuple[int, int], seconds: float, free_bytes: int) -> MemoryPlan:
        """How to run `seconds` at `size` (width, height) in `free_bytes`. Raises NotEnoughMemoryError early."""
        ...


@runtime_checkable
class ProgressiveEngine(Protocol):
    """What an engine has besides that can draw the first frames before it has heard the last words."""

    def stream(self, portrait: Portrait, speech: Speech, settings: Settings) -> Clip:
        """All three stages at once: a lazy Clip without audio that samples as it is read."""
        ...

    def talk(self, portrait: Portrait, settings: Settings) -> Talk:
        """The portrait as a face that talks live."""
        ...


@runtime_checkable
class LipEngine(Protocol):
    """What an engine has besides that can say what a mouth does without a photo of it: for videos that are dubbed."""

    def lips(self, speech: Speech, settings: Settings) -> np.ndarray:
        """Rows of lite's motion (n, 27) at 25 fps, see `lite/layout.py`; head, eyes and brows are 0."""
        ...


class Talk(Protocol):
    """A face that turns speech into motion as it comes, and motion into pictures, 25 a second."""

    look_ahead: int  # frames of speech that must be known after a frame before its row comes
    size: tuple[int, int]  # of a picture: width, height

    def push(self, speech: np.ndarray) -> np.ndarray:
        """Whole frames of speech, float32 (k * 640,) at 16 kHz -> rows of motion (m, d), in order."""
        ...

    def draw(self, row: np.ndarray) -> np.ndarray:
        """One row -> uint8 (height, width, 3)."""
        ...

    def interrupt(self) -> None:
        """Close the mouth at once."""
        ...
