"""Makes each frame once and writes it to a file, which core Save Video copies without encoding it again."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import InputImpl, io

from sonic_core.disclosure.label import RECORD_KEY, label
from sonic_core.errors import SettingsError
from sonic_core.media.video import QUALITIES, save_video

from . import host
from .node import TALKING, SonicNode, checked, schema
from .sockets import SonicClip, SonicLatents, as_clip, clip_input
from .widgets import advanced

FORMATS = ("mp4", "mov", "webm")
WITH_ALPHA = ("webm", "mov")


class SonicRenderVideo(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicRenderVideo",
            display_name="Sonic: Render Video",
            description="Makes the frames, writes the video with its sound to a temporary file and plays it. "
            "Connect Save Video to keep it: it copies the file as it is.",
            search_aliases=[*TALKING, "video combine", "save video", "mp4"],
            inputs=[
                clip_input("The clip to render, or the sampler's latents."),
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
                    tooltip="The kind of file. mp4 plays everywhere. A transparent clip needs webm (VP9, for web "
                    "pages) or mov (ProRes 4444, for editing programs).",
                ),
                advanced(
                    io.Boolean.Input(
                        "ai_record",
                        default=True,
                        optional=True,  # workflows of 0.1.0 do not have it
                        tooltip="Write a record into the file that says it was made by AI (AIGC, GB 45438-2025). "
                        "Off: only a record that Sonic: AI Label put on is kept.",
                    )
                ),
                io.String.Input(
                    "save_as",
                    default="",
                    optional=True,
                    tooltip="Keep the file in ComfyUI's output folder under this name, such as video/sonic; a number "
                    "follows. For transparent videos, whose alpha Save Video would drop. Empty: a temporary file.",
                ),
            ],
            outputs=[io.Video.Output("video", display_name="video", tooltip="The finished file, for Save Video.")],
            hidden=[io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

    @classmethod
    def run(
        cls,
        on_step: Any,
        clip: SonicClip | SonicLatents,
        quality: str,
        format: str,
        ai_record: bool = True,
        save_as: str = "",
    ) -> io.NodeOutput:
        rendered = as_clip(clip).clip
        if rendered.has_alpha and format not in WITH_ALPHA:
            raise SettingsError(
                f"{format} cannot hold a transparent background; set format to {' or '.join(WITH_ALPHA)}"
            )
        if ai_record and RECORD_KEY not in rendered.metadata:
            rendered = label(rendered, job_id=host.made_for(cls))
        path = host.output_file(save_as, f".{format}") if save_as else host.temporary_file("clip", f".{format}")
        save_video(rendered, path, QUALITIES[quality], on_frame=on_step)
        shown = host.shown_file(path, "output" if save_as else "temp")
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)), ui={"images": [shown], "animated": (True,)})

    @classmethod
    def validate_inputs(cls, quality: str | None = None, format: str | None = None) -> bool | str:
        return checked(cls, quality=quality, format=format)
