"""A sound file from the input folder: cut, made louder, one channel picked."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io

from sonic_core.errors import SonicError
from sonic_core.media.audio import SPARE, load_audio, trimmed
from sonic_core.media.level import CHANNELS, TARGET_LUFS, amplified, normalised, pick_channel
from sonic_core.settings import MAX_SECONDS

from . import host
from .node import SonicNode, checked, schema


class SonicLoadAudio(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicLoadAudio",
            display_name="Sonic: Load Audio",
            description="Loads speech from a sound file, or from a video with sound. Says how long it is.",
            search_aliases=["voice", "speech", "sound", "mp3", "wav"],
            inputs=[
                io.Combo.Input(
                    "audio",
                    options=host.input_files(["audio", "video"]),
                    upload=io.UploadType.audio,
                    tooltip="A sound file, or a video with sound, in ComfyUI's input folder.",
                ),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=MAX_SECONDS,
                    step=0.01,
                    tooltip="Seconds to skip at the beginning.",
                ),
                io.Float.Input(
                    "trim",
                    default=0.0,
                    min=0.0,
                    max=MAX_SECONDS,
                    step=0.01,
                    tooltip="Seconds to keep from there on. 0: all of it.",
                ),
                io.Boolean.Input(
                    "normalise",
                    default=False,
                    tooltip=f"Bring the loudness to {TARGET_LUFS:g} LUFS, the level of podcasts, without clipping.",
                ),
                io.Float.Input(
                    "gain",
                    default=0.0,
                    min=-40.0,
                    max=40.0,
                    step=0.5,
                    display_mode=io.NumberDisplay.slider,
                    tooltip="Decibels louder (or quieter, below 0), after normalising.",
                ),
                io.Combo.Input(
                    "channel",
                    options=list(CHANNELS),
                    default=CHANNELS[0],
                    tooltip="Which channel to take: where two people speak on left and right, the one to animate.",
                ),
                io.Float.Input(
                    "delay",
                    default=0.0,
                    min=0.0,
                    max=MAX_SECONDS,
                    step=0.01,
                    optional=True,  # workflows of 0.1.0 do not have it
                    tooltip="Seconds of silence to put before it, for a person who answers in a dialogue.",
                ),
            ],
            outputs=[
                io.Audio.Output("sound", display_name="audio", tooltip="The sound."),
                io.Float.Output("duration", display_name="duration", tooltip="Its length in seconds."),
            ],
        )

    @classmethod
    def run(
        cls,
        on_step: Any,
        audio: str,
        start: float,
        trim: float,
        normalise: bool,
        gain: float,
        channel: str,
        delay: float = 0.0,
    ) -> io.NodeOutput:
        until = start + trim + SPARE if trim else None
        sound = trimmed(load_audio(host.input_path(audio), until=until), start, trim or None)
        sound = pick_channel(sound, channel)
        if normalise:
            sound = normalised(sound)
        sound = amplified(sound, gain)
        silence = torch.zeros(len(sound.samples), round(delay * sound.rate))
        waveform = torch.cat([silence, torch.from_numpy(sound.samples)], 1)[None]  # (1, channels, samples)
        return io.NodeOutput({"waveform": waveform, "sample_rate": sound.rate}, delay + sound.seconds)

    @classmethod
    def validate_inputs(cls, audio: str | None = None, channel: str | None = None) -> bool | str:
        try:
            if audio is not None:
                host.input_path(audio)
        except SonicError as error:
            return str(error)
        return checked(cls, channel=channel)

    @classmethod
    def fingerprint_inputs(cls, audio: str, **_: object) -> float:
        return host.input_path(audio).stat().st_mtime
