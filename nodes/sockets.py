"""The pack's own socket types and what travels through them, and the conversion of ComfyUI's types to the library's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from comfy_api.latest import io

from sonic_core.clip import Clip
from sonic_core.engines.base import Latents
from sonic_core.errors import InputError
from sonic_core.pipeline import Prepared, SonicPipeline

CATEGORY = "Sonic Studio"

ModelSocket = io.Custom("SONIC_MODEL")
PreDataSocket = io.Custom("SONIC_PREDATA")
LatentsSocket = io.Custom("SONIC_LATENTS")
ClipSocket = io.Custom("SONIC_CLIP")


@dataclass(frozen=True)
class PreData:
    """SONIC_PREDATA: the inputs made ready, and what the engine computed from them once."""

    prepared: Prepared
    conditions: Any


@dataclass(frozen=True)
class Sampled:
    """SONIC_LATENTS: what sampling made, with the inputs it was made from."""

    latents: Latents
    prepared: Prepared


@dataclass(frozen=True)
class Made:
    """SONIC_CLIP: a lazy clip, with the inputs and the pipeline it was made from, which later stages look at."""

    clip: Clip
    prepared: Prepared
    pipeline: SonicPipeline

    def then(self, clip: Clip) -> Made:
        return replace(self, clip=clip)


def audio_pair(audio: Any) -> tuple[Any, int]:
    """(samples, rate) of a ComfyUI AUDIO. A silent video gives None for one."""
    if audio is None:
        raise InputError("the audio input is empty, as from a video without sound; give a sound with speech")
    return audio["waveform"], int(audio["sample_rate"])
