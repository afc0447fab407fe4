"""A photo, a sound or a video out of object storage, or from an https URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from comfy_api.latest import InputImpl, io
from comfy_execution.graph_utils import ExecutionBlocker

from sonic_core.errors import InputError, SonicError
from sonic_core.media.audio import load_audio
from sonic_core.media.image import load_image
from sonic_core.media.probe import Kind, kind_of
from sonic_core.storage import transfer

from . import host, work
from .node import SonicNode, schema

SAMPLES = Path(__file__).resolve().parents[1] / "web" / "samples"
# What the bundled workflow names; a folder store that lacks them gets them, so that it runs at the first click.
SAMPLE_KEYS = {f"inputs/comfyui/samples/{name}": SAMPLES / name for name in ("sonic_portrait.jpg", "sonic_speech.flac")}
WORDS: dict[Kind, str] = {"image": "picture", "audio": "sound", "video": "video"}
LOOK_SECONDS = 3.0


class SonicOSSLoad(SonicNode):
    alone = False

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicOSSLoad",
            display_name="Sonic: Load from Storage",
            description="Loads a picture, a sound or a video from object storage (OSS, or a folder that stands for it) "
            "or from an https URL. Connect the output that fits the file.",
            search_aliases=["OSS", "S3", "URL", "download", "object storage"],
            inputs=[
                io.String.Input(
                    "source",
                    default="",
                    placeholder="inputs/comfyui/job/photo.jpg or https://...",
                    tooltip="The object's key, or an https URL. It is kept in the workflow, so give no signed link.",
                ),
                profile_input(),
            ],
            outputs=[
                io.Image.Output("image", display_name="image", tooltip="The picture, where the file is one."),
                io.Audio.Output(
                    "audio", display_name="audio", tooltip="The sound, where the file is one or is a video with sound."
                ),
                io.Video.Output("video", display_name="video", tooltip="The video, where the file is one."),
            ],
        )

    @classmethod
    def run(cls, on_step: Any, source: str, profile: str) -> io.NodeOutput:
        name = transfer.name_of(source)
        path = host.temporary_file(Path(name).stem, Path(name).suffix)
        transfer.load(source, profile, path, on_step)
        kind = kind_of(path)
        absent = {
            other: ExecutionBlocker(f"{name} is a {WORDS[kind]}, not a {WORDS[other]}; use the output {kind}")
            for other in WORDS
        }
        if kind == "video":
            return io.NodeOutput(absent["image"], sound_of_video(path, name), InputImpl.VideoFromFile(str(path)))
        try:
            if kind == "image":
                return io.NodeOutput(host.image_tensor(load_image(path)), absent["audio"], absent["video"])
            return io.NodeOutput(absent["image"], sound(path), absent["video"])
        finally:
            path.unlink()

    @classmethod
    def validate_inputs(cls, source: str = "", profile: str = "") -> bool | str:
        try:
            if source.strip() in SAMPLE_KEYS:
                transfer.put_samples(SAMPLE_KEYS, profile)
            transfer.stores_of(profile)
        except SonicError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, source: str | None, profile: str | None) -> str:
        if source is None or profile is None:  # connected: what comes in is known later, and is looked at by ComfyUI
            return ""
        return work.started(lambda: transfer.version_of(source, profile)).result(LOOK_SECONDS)


def profile_input() -> io.Input:
    """The widget for a storage profile: a name and never a secret."""
    return io.String.Input(
        "profile",
        default=transfer.DEFAULT_PROFILE,
        tooltip="Name of a storage profile set up outside of ComfyUI. "
        "default: a folder on this computer until another one is set up.",
    )


def sound(path: Path) -> dict[str, Any]:
    """ComfyUI's AUDIO of a file."""
    audio = load_audio(path)
    return {"waveform": torch.from_numpy(audio.samples)[None], "sample_rate": audio.rate}


def sound_of_video(path: Path, name: str) -> Any:
    """AUDIO of a video; where there is none to be had, what tells the node that wants it."""
    try:
        return sound(path)
    except InputError as error:
        return ExecutionBlocker(f"{name} gives no sound: {error}")
