"""Removes jitter, flicker and noise from a clip."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from sonic_core.finish.smooth import smooth

from .node import SonicNode, schema
from .sockets import ClipSocket, SonicClip, SonicLatents, as_clip, clip_input


class SonicSmooth(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicSmooth",
            display_name="Sonic: Smooth",
            description="Removes head jitter, brightness flicker and noise from the clip. "
            "Lips and eyes keep their motion.",
            search_aliases=["deflicker", "stabilize", "stabilise", "denoise video"],
            inputs=[
                clip_input("The clip to smooth, or the sampler's latents."),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    display_mode=io.NumberDisplay.slider,
                    tooltip="0: no change. 1: full smoothing.",
                ),
            ],
            outputs=[ClipSocket.Output("smoothed", display_name="clip", tooltip="The smoothed clip.")],
        )

    @classmethod
    def run(cls, on_step: Any, clip: SonicClip | SonicLatents, strength: float) -> io.NodeOutput:
        made = as_clip(clip)
        return io.NodeOutput(made.then(smooth(made.clip, strength)))
