"""Pulls the frames through once and writes them to a file, which core Save Video copies without encoding again."""

from __future__ import annotations

from comfy_api.latest import InputImpl, io

from sonic_core.media.video import FORMATS, QUALITIES, save_video

from . import host
from .sockets import CATEGORY, ClipSocket, Made


class SonicRenderVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SonicRenderVideo",
            display_name="Sonic: Render Video",
            category=CATEGORY,
            description="Makes the frames, writes the video with its sound to a temporary file and plays it. "
            "Connect Save Video to keep it: it copies the file as it is.",
            inputs=[
                ClipSocket.Input("clip", tooltip="The clip to render."),
                io.Combo.Input(
                    "quality",
                    options=list(QUALITIES),
                    default="high",
                    tooltip="small: for messengers. medium: for the web. high: no visible loss. "
                    "best: for further editing, large files.",
                ),
                io.Combo.Input(
                    "format",
                    options=list(FORMATS),
                    default=FORMATS[0],
                    tooltip="The kind of file. mp4 plays everywhere.",
                ),
            ],
            outputs=[io.Video.Output("video", display_name="video", tooltip="The finished file, for Save Video.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, clip: Made, quality: str, format: str) -> io.NodeOutput:
        path = host.temporary_file("clip", f".{format}")
        save_video(clip.clip, path, QUALITIES[quality], on_frame=host.stepper())
        shown = {"filename": path.name, "subfolder": path.parent.name, "type": "temp"}
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)), ui={"images": [shown], "animated": (True,)})
