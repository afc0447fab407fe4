"""Latents to a clip, for workflows saved with 0.1.0: every node that takes a clip now takes latents as well."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from .model import SonicModel
from .node import SonicNode, schema
from .sockets import ClipSocket, LatentsSocket, ModelSocket, SonicLatents, decoded


class SonicDecode(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicDecode",
            display_name="Sonic: Decode",
            description="No longer needed: every node that takes a clip takes the sampler's latents as well. "
            "It is kept for saved workflows.",
            inputs=[
                ModelSocket.Input("model", tooltip="From Sonic: Load Model."),
                LatentsSocket.Input("latents", tooltip="From Sonic: Sampler."),
            ],
            outputs=[ClipSocket.Output("clip", display_name="clip", tooltip="A lazy clip with the sound in it.")],
            is_deprecated=True,
        )

    @classmethod
    def run(cls, on_step: Any, model: SonicModel, latents: SonicLatents) -> io.NodeOutput:
        return io.NodeOutput(decoded(latents))
