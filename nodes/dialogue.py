"""Several people of one picture, or two photos side by side, speak a voice each."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io

from sonic_core.dialogue.dialogue import dialogue
from sonic_core.dialogue.picture import side_by_side
from sonic_core.media.audio import load_audio
from sonic_core.media.image import load_image
from sonic_core.settings import PRESETS
from sonic_core.settings import preset as settings_of_preset

from .model import STAGES, SonicModel
from .node import SonicNode, checked, schema
from .sockets import ClipSocket, ModelSocket, SonicClip, audio_pair, without_record
from .widgets import LARGEST_SEED, setting


class SonicDialogue(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicDialogue",
            display_name="Sonic: Dialogue",
            description="Lets two to four people speak, a voice each, while the others listen. One picture with all of "
            "them, or two photos side by side. A voice that starts later begins with silence.",
            search_aliases=["two speakers", "conversation", "podcast", "multi person", "interview", "对话"],
            inputs=[
                ModelSocket.Input("model", tooltip="From Sonic: Load Model."),
                io.Image.Input("image", tooltip="A picture with everybody, or the photo that goes on the left."),
                io.Image.Input("image_right", optional=True, tooltip="The photo that goes on the right."),
                io.Audio.Input("audio_left", tooltip="The voice of the person furthest to the left."),
                io.Audio.Input("audio_right", tooltip="The voice of the next person."),
                io.Audio.Input("audio_3", optional=True, tooltip="The voice of a third person, further to the right."),
                io.Audio.Input("audio_4", optional=True, tooltip="The voice of a fourth person."),
                io.Combo.Input(
                    "preset",
                    options=list(PRESETS),
                    default="high_quality",
                    tooltip="fast: few steps and approximations. high_quality: all steps, exact.",
                ),
                setting("min_resolution", "512 is what the models were made for"),
                setting("dynamic_scale", slider=True),
                setting("motion_scale", slider=True),
                setting("fps"),
                setting("seed", max=LARGEST_SEED, control_after_generate=True),
            ],
            outputs=[ClipSocket.Output("clip", display_name="clip", tooltip="The dialogue, with all voices.")],
        )

    @classmethod
    def run(
        cls,
        on_step: Any,
        model: SonicModel,
        image: torch.Tensor,
        preset: str,
        image_right: torch.Tensor | None = None,
        audio_left: Any = None,
        audio_right: Any = None,
        audio_3: Any = None,
        audio_4: Any = None,
        **widgets: Any,
    ) -> io.NodeOutput:
        given = [audio_left, audio_right, *(voice for voice in (audio_3, audio_4) if voice is not None)]
        voices = [load_audio(audio_pair(voice)) for voice in given]
        photo = load_image(image)
        if image_right is not None:
            photo = side_by_side(photo, load_image(image_right))
        settings = settings_of_preset(preset).with_changes(**widgets)
        for stage in STAGES:
            model.stages[stage].to_device()
        clip = dialogue(photo, voices, model.pipeline.engine, model.pipeline.detector, settings, on_step=on_step)
        return io.NodeOutput(SonicClip(model.stages["decode"].behind(without_record(clip))))

    @classmethod
    def validate_inputs(cls, preset: str | None = None) -> bool | str:
        return checked(cls, preset=preset)
