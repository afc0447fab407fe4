"""Figures of a finished video: lips against sound, jitter, flicker, blinks, likeness, sharpness."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from comfy_api.latest import io

from sonic_core.clip import Clip
from sonic_core.errors import InputError
from sonic_core.media.image import load_image
from sonic_core.quality.lip_sync import speech_opening
from sonic_core.quality.plot import plot
from sonic_core.quality.report import evaluate

from . import host
from .node import SonicNode, schema
from .sockets import SonicClip, SonicLatents, as_clip, clip_input
from .video_to_clip import clip_of_video

LISTENING_RATE = 25  # frames a second of what `speech_opening` gives


class SonicEvaluate(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicEvaluate",
            display_name="Sonic: Evaluate",
            description="Measures a talking video: time between lips and sound, how well they agree, jitter, flicker, "
            "blinks, likeness and sharpness. Takes a video from anywhere, or a clip.",
            search_aliases=["lip sync score", "metrics", "quality"],
            inputs=[
                io.Video.Input("video", optional=True, tooltip="A video with sound, ours or any other."),
                clip_input("A clip, in place of a video.", optional=True),
                io.Image.Input(
                    "portrait", optional=True, tooltip="The photo, for the likeness. Left open: not measured."
                ),
            ],
            outputs=[
                io.String.Output("report", display_name="report", tooltip="The figures as text."),
                io.Image.Output("plot", display_name="plot", tooltip="Lip opening and speech over time."),
            ],
        )

    @classmethod
    def run(
        cls, on_step: Any, video: Any = None, clip: SonicClip | SonicLatents | None = None, portrait: Any = None
    ) -> io.NodeOutput:
        heard: list[np.ndarray] = []

        def listener(speech: np.ndarray, frames: int) -> np.ndarray:
            heard.append(speech_opening(speech, frames))
            return heard[-1]

        source = clip_of(video, clip)
        photo = None if portrait is None else load_image(portrait)
        report, tracks = evaluate(host.watched(source, on_step), photo, listener=listener)
        sound = (np.zeros(0, np.float32), 1) if source.audio is None else (source.audio.mono(), source.audio.rate)
        expected = heard[0] if heard else np.full(1, np.nan)
        path = host.temporary_file("lips", ".png")
        plot(path, tracks.opening, float(source.fps), expected, LISTENING_RATE, *sound, title="")
        lines = [
            f"{name.replace('_', ' ')}: {'-' if value is None else value}" for name, value in asdict(report).items()
        ]
        return io.NodeOutput("\n".join(lines), host.image_tensor(load_image(path)))


def clip_of(video: Any, clip: SonicClip | SonicLatents | None) -> Clip:
    """The clip to measure. Raises InputError unless exactly one of the two is connected."""
    if (video is None) == (clip is None):
        raise InputError("connect either a video or a clip to Sonic: Evaluate")
    return clip_of_video(video) if clip is None else as_clip(clip).clip
