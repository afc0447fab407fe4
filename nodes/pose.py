"""How the head is held and where the eyes look, beside what the speech makes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from comfy_api.latest import io

from .node import SonicNode, schema
from .sockets import PreData, PreDataSocket
from .widgets import setting


class SonicPose(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicPose",
            display_name="Sonic: Pose",
            description="Turns, bends and tilts the head a little and says where the eyes look, for the whole clip. "
            "Between Prepare Photo and Voice and Sampler. Lite model only.",
            search_aliases=["head pose", "gaze", "eye contact", "look direction"],
            inputs=[
                PreDataSocket.Input("predata", tooltip="From Sonic: Prepare Photo and Voice."),
                setting("head_yaw", slider=True),
                setting("head_pitch", slider=True),
                setting("head_roll", slider=True),
                setting("gaze_across", slider=True),
                setting("gaze_up", slider=True),
            ],
            outputs=[PreDataSocket.Output("posed", display_name="predata", tooltip="For Sonic: Sampler.")],
        )

    @classmethod
    def run(cls, on_step: Any, predata: PreData, **widgets: float) -> io.NodeOutput:
        settings = predata.prepared.settings.with_changes(**widgets)
        return io.NodeOutput(replace(predata, prepared=replace(predata.prepared, settings=settings)))
