"""Samples: from prepared inputs to latents, with previews."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from comfy_api.latest import io

from sonic_core.settings import preset as settings_of_preset

from .model import SonicModel
from .node import TALKING, SonicNode, checked, schema
from .sockets import LatentsSocket, ModelSocket, PreData, PreDataSocket, SonicLatents
from .widgets import LARGEST_SEED, advanced, choice, preset_choice, setting


class SonicSampler(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicSampler",
            display_name="Sonic: Sampler",
            description="Makes the motion from the speech. Checks that there is enough memory before it starts.",
            search_aliases=[*TALKING, "motion"],
            inputs=[
                ModelSocket.Input("model", tooltip="From Sonic: Load Model."),
                PreDataSocket.Input("predata", tooltip="From Sonic: Prepare Photo and Voice."),
                preset_choice(),
                advanced(setting("inference_steps", "0: as the preset says", default=0, min=0)),
                setting("dynamic_scale", slider=True),
                setting("motion_scale", slider=True),
                advanced(setting("audio_guidance", "0: the model's own", default=0.0)),
                advanced(setting("image_guidance", "0: the model's own", default=0.0)),
                setting("seed", max=LARGEST_SEED, control_after_generate=True),
                # Optional, since the workflows of 0.1.0 lack them.
                choice("mood", optional=True),
                setting("mood_strength", slider=True, optional=True),
            ],
            outputs=[
                LatentsSocket.Output(
                    "latents",
                    display_name="latents",
                    tooltip="For Sonic: Render Video or a finishing node.",
                )
            ],
        )

    @classmethod
    def run(
        cls,
        on_step: Any,
        model: SonicModel,
        predata: PreData,
        preset: str,
        inference_steps: int,
        audio_guidance: float,
        image_guidance: float,
        **widgets: Any,
    ) -> io.NodeOutput:
        base = settings_of_preset(preset)
        settings = predata.prepared.settings.with_changes(
            fast=base.fast,
            inference_steps=inference_steps or base.inference_steps,
            audio_guidance=audio_guidance or None,
            image_guidance=image_guidance or None,
            **widgets,
        )
        portrait = predata.prepared.portrait.image
        plan = model.plan(settings, (portrait.shape[1], portrait.shape[0]), predata.prepared.audio.seconds)
        model.stages["sample"].to_device(plan.peak_bytes)
        latents = model.pipeline.engine.sample(predata.conditions, settings, on_step)
        return io.NodeOutput(SonicLatents(latents, replace(predata.prepared, settings=settings), model))

    @classmethod
    def validate_inputs(cls, preset: str | None = None, mood: str | None = None) -> bool | str:
        return checked(cls, preset=preset, mood=mood)
