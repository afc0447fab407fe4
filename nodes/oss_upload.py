"""A video, a picture or a sound into object storage; a link comes back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from comfy_api.latest import io

from sonic_core.errors import InputError, SonicError
from sonic_core.media.audio import load_audio
from sonic_core.media.flac import save_flac
from sonic_core.media.image import load_image, save_image
from sonic_core.storage import transfer

from . import host
from .node import SonicNode, schema
from .oss_load import profile_input
from .sockets import audio_pair
from .video_to_clip import whole_file


class SonicOSSUpload(SonicNode):
    alone = False

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicOSSUpload",
            display_name="Sonic: Upload to Storage",
            description="Puts a video, a picture or a sound into object storage (OSS, or a folder that stands for it) "
            "and gives a link to it. A video from Sonic: Render Video is uploaded as the file it is.",
            search_aliases=["OSS", "S3", "save", "share", "object storage"],
            inputs=[
                io.MultiType.Input(
                    "media", types=[io.Video, io.Image, io.Audio], tooltip="A video, one picture, or a sound."
                ),
                profile_input(),
                io.String.Input(
                    "key",
                    default="{job}/{name}",
                    tooltip="Where it is stored, below outputs/ and the user of this computer. "
                    "{job} is this run, {name} the file, {date} and {time} the moment (UTC).",
                ),
            ],
            outputs=[
                io.String.Output("url", display_name="url", tooltip="A link to it, of the kind that the profile sets."),
                io.String.Output("key_made", display_name="key", tooltip="Its key, for Sonic: Load from Storage."),
            ],
            is_output_node=True,
        )

    @classmethod
    def run(cls, on_step: Any, media: Any, profile: str, key: str) -> io.NodeOutput:
        path, kind = file_of(media)
        run, node = host.run_and_node()
        name = f"{kind}-{node}{path.suffix}"
        stored = transfer.save(path, name, profile, key, run, on_step)
        host.say(stored.key)
        # Not the link: what stands here is kept in the history, and a link may open the file to anybody.
        return io.NodeOutput(stored.url, stored.key, ui={"text": (stored.key,)})

    @classmethod
    def validate_inputs(cls, profile: str = "", key: str = "{name}") -> bool | str:
        try:
            transfer.stores_of(profile)
            transfer.result_key(key, name="video.mp4", job="job")
        except SonicError as error:  # said now, and not when the video is made
            return str(error)
        return True


def file_of(media: Any) -> tuple[Path, str]:
    """The file to upload and what it is called. A video that is a whole file already is that file, untouched."""
    if isinstance(media, torch.Tensor):
        if media.shape[0] != 1:
            raise InputError(f"there are {media.shape[0]} pictures to upload; give one, or make a video of them")
        path = host.temporary_file("upload", ".png")
        save_image(load_image(media), path)
        return path, "image"
    if media is None or isinstance(media, Mapping):  # other packs' sounds are not always plain dicts
        path = host.temporary_file("upload", ".flac")
        return save_flac(load_audio(audio_pair(media)), path), "audio"
    return whole_file(media), "video"
