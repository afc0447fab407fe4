"""Any pack's video as a clip, for the finishing stages; and a VIDEO as a file, which others here need as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from comfy_api.latest import InputImpl, io

from sonic_core.clip import Clip
from sonic_core.media.video import open_video

from . import host
from .node import SonicNode, schema
from .sockets import ClipSocket, SonicClip


class SonicVideoToClip(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicVideoToClip",
            display_name="Sonic: Video to Clip",
            description="Takes a video from any pack into Sonic's finishing nodes: Lip Align, Smooth, Interpolate, "
            "AI Label. Frames are read when they are needed, so a long video needs no more memory than a short one.",
            search_aliases=["video to clip", "finish video", "load video", "video frames"],
            inputs=[io.Video.Input("video", tooltip="A video from Load Video or any other node.")],
            outputs=[ClipSocket.Output("clip", display_name="clip", tooltip="The video as a clip, with its sound.")],
        )

    @classmethod
    def run(cls, on_step: Any, video: Any) -> io.NodeOutput:
        return io.NodeOutput(SonicClip(clip_of_video(video)))


def clip_of_video(video: Any) -> Clip:
    """A lazy clip of a VIDEO."""
    return open_video(whole_file(video))


def whole_file(video: Any) -> Path:
    """A file that holds exactly this VIDEO: its own, untouched, unless it is only in memory or a part of its file."""
    # Frames in memory have no file, and asking core for one encodes them all; 0.3.64 even fails at that.
    source = video.get_stream_source() if isinstance(video, InputImpl.VideoFromFile) else None
    if isinstance(source, str) and video.get_duration() == InputImpl.VideoFromFile(source).get_duration():
        return Path(source)
    path = host.temporary_file("video", ".mp4")
    video.save_to(str(path))
    return path
