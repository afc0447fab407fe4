"""Latents to a clip. Nothing is computed here: frames are made when a later node asks for them."""

from __future__ import annotations

from comfy_api.latest import io

from .model import SonicModel
from .sockets import CATEGORY, ClipSocket, LatentsSocket, Made, ModelSocket, Sampled


class SonicDecode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SonicDecode",
            display_name="Sonic: Decode",
            category=CATEGORY,
            description="Turns latents into a clip. The frames are made chunk by chunk when the video is rendered, "
            "so the memory needed does not grow with the length.",
            inputs=[
                ModelSocket.Input("model", tooltip="From Sonic: Load Model."),
                LatentsSocket.Input("latents", tooltip="From Sonic: Sampler."),
            ],
            outputs=[ClipSocket.Output("clip", display_name="clip", tooltip="A lazy clip with the sound in it.")],
        )

    @classmethod
    def execute(cls, model: SonicModel, latents: Sampled) -> io.NodeOutput:
        prepared = latents.prepared
        portrait = prepared.portrait.image
        plan = model.plan(prepared.settings, (portrait.shape[1], portrait.shape[0]), latents.latents.seconds)
        clip = model.pipeline.engine.decode(latents.latents, prepared.settings).replaced(audio=prepared.audio)
        lazy = model.stages["decode"].behind(clip, plan.peak_bytes)
        return io.NodeOutput(Made(lazy, prepared, model.pipeline))
