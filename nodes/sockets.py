"""The pack's own socket types and what travels through them, and the conversion of ComfyUI's types to the library's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from comfy_api.latest import io

from sonic_core.clip import Clip
from sonic_core.disclosure.label import RECORD_KEY
from sonic_core.engines.base import Latents
from sonic_core.errors import InputError
from sonic_core.finish.alpha import with_alpha
from sonic_core.pipeline import PreparedInputs, SonicPipeline

from .model import SonicModel

ModelSocket = io.Custom("SONIC_MODEL")
PreDataSocket = io.Custom("SONIC_PREDATA")
LatentsSocket = io.Custom("SONIC_LATENTS")
ClipSocket = io.Custom("SONIC_CLIP")


@dataclass(frozen=True)
class PreData:
    """SONIC_PREDATA: the inputs made ready, and what the engine computed from them once."""

    prepared: PreparedInputs
    conditions: Any


@dataclass(frozen=True)
class SonicLatents:
    """SONIC_LATENTS: what sampling made, with the inputs it was made from and the model that decodes it."""

    latents: Latents
    prepared: PreparedInputs
    model: SonicModel


@dataclass(frozen=True)
class Origin:
    """The photo a clip was made from, and the pipeline that made it."""

    prepared: PreparedInputs
    pipeline: SonicPipeline


@dataclass(frozen=True)
class SonicClip:
    """SONIC_CLIP: a lazy clip; where it was made from a photo, its origin, until it is pasted back into the photo."""

    clip: Clip
    origin: Origin | None = None

    def then(self, clip: Clip) -> SonicClip:
        return replace(self, clip=clip)


def clip_input(tooltip: str, *, optional: bool = False) -> io.Input:
    """An input that takes a clip, or the sampler's latents, which become one."""
    return io.MultiType.Input("clip", types=[ClipSocket, LatentsSocket], optional=optional, tooltip=tooltip)


def as_clip(value: SonicClip | SonicLatents) -> SonicClip:
    """The clip of a `clip_input`. Nothing is computed: frames are made when they are asked for."""
    return decoded(value) if isinstance(value, SonicLatents) else value


def decoded(sampled: SonicLatents) -> SonicClip:
    """Latents to a clip with its sound, put back into the photo where framing is "photo"."""
    model, prepared = sampled.model, sampled.prepared
    portrait = prepared.portrait.image
    plan = model.plan(prepared.settings, (portrait.shape[1], portrait.shape[0]), sampled.latents.seconds)
    clip = model.pipeline.engine.decode(sampled.latents, prepared.settings).replaced(audio=prepared.audio)
    clip = with_alpha(clip, prepared.portrait)
    made = SonicClip(model.stages["decode"].behind(clip, plan.peak_bytes), Origin(prepared, model.pipeline))
    return pasted_back(made) if prepared.settings.framing == "photo" else made


def pasted_back(made: SonicClip) -> SonicClip:
    """The square put back into its photo. A clip that already shows the whole photo stays as it is."""
    if made.origin is None:
        raise InputError("this clip was not made from a photo, so there is nothing to put it back into")
    if made.origin.prepared.crop is None:
        return made
    whole = made.origin.pipeline.paste_back(made.clip, made.origin.prepared)
    prepared = replace(made.origin.prepared, crop=None)
    return SonicClip(whole, replace(made.origin, prepared=prepared))


def without_record(clip: Clip) -> Clip:
    """The clip without an AI record: Sonic: Render Video writes it, with the id of the run, unless it is turned off."""
    return clip.replaced(metadata={key: value for key, value in clip.metadata.items() if key != RECORD_KEY})


def audio_pair(audio: Any) -> tuple[Any, int]:
    """(samples, rate) of a ComfyUI AUDIO. A silent video gives None for one."""
    if audio is None:
        raise InputError("the audio input is empty, as from a video without sound; connect a sound with speech")
    try:
        return audio["waveform"], int(audio["sample_rate"])
    except Exception as error:  # VideoHelperSuite reads a sound only now, and raises no narrower one
        said = str(error).splitlines()[0].removesuffix(":")
        raise InputError(f"the audio input cannot be read ({said}); connect a sound with speech") from error


def audio_socket(clip: Clip) -> dict[str, Any] | None:
    """ComfyUI's AUDIO of a clip's sound, None where it has none."""
    if clip.audio is None:
        return None
    return {"waveform": torch.from_numpy(clip.audio.samples)[None], "sample_rate": clip.audio.rate}
