"""Jitter, flicker and noise out of a clip."""

from __future__ import annotations

from comfy_api.latest import io

from sonic_core.finish.smooth import smooth

from .sockets import CATEGORY, ClipSocket, Made


class SonicSmooth(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SonicSmooth",
            display_name="Sonic: Smooth",
            category=CATEGORY,
            description="Takes jitter of the head, flicker of the brightness and noise out of the clip. "
            "Lips and eyes keep their motion.",
            inputs=[
                ClipSocket.Input("clip", tooltip="The clip to smooth."),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    display_mode=io.NumberDisplay.slider,
                    tooltip="0: the clip as it is. 1: all of it.",
                ),
            ],
            outputs=[ClipSocket.Output("smoothed", display_name="clip", tooltip="The smoothed clip.")],
        )

    @classmethod
    def execute(cls, clip: Made, strength: float) -> io.NodeOutput:
        return io.NodeOutput(clip.then(smooth(clip.clip, strength)))
