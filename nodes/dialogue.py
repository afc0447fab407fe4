"""Several people of one picture, or two photos side by side, speak a voice each."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io

from sonic_core.dialogue.dialogue import dialogue
from sonic_core.dialogue.picture import side_by_side
from sonic_core.face.by_hand import parse_faces
from sonic_core.media.audio import load_audio
from sonic_core.media.image import load_image
from sonic_core.settings import MOST_FACES
from sonic_core.settings import preset as settings_of_preset

from .model import STAGES, SonicModel
from .node import SonicNode, checked, schema
from .sockets import ClipSocket, ModelSocket, SonicClip, audio_pair, without_record
from .widgets import LARGEST_SEED, preset_choice, setting

FURTHER = tuple(f"audio_{number}" for number in range(3, MOST_FACES + 1))
ON_OLD_CORES = FURTHER[:2]  # which have no inputs that grow


def further_voices() -> list[Any]:
    """Inputs for the voices after the second: as many as are connected, where the core has inputs that grow."""
    if hasattr(io, "Autogrow"):
        voice = io.Audio.Input("audio", optional=True, tooltip="The voice of the next person.")
        template = io.Autogrow.TemplateNames(voice, names=list(FURTHER), min=0)
        return [io.Autogrow.Input("more", template=template, optional=True, tooltip="Voices of further people.")]
    return [io.Audio.Input(name, optional=True, tooltip="The voice of the next person.") for name in ON_OLD_CORES]


class SonicDialogue(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicDialogue",
            display_name="Sonic: Dialogue",
            description="Lets several people speak, a voice each, while the others listen. One picture with all of "
            "them, or two photos side by side. To start a voice later, give it a delay in Sonic: Load Audio.",
            search_aliases=["two speakers", "conversation", "podcast", "multi person", "interview", "对话"],
            inputs=[
                ModelSocket.Input("model", tooltip="From Sonic: Load Model."),
                io.Image.Input("image", tooltip="A picture with everybody, or the photo that goes on the left."),
                io.Image.Input("image_right", optional=True, tooltip="The photo that goes on the right."),
                io.Audio.Input("audio_left", tooltip="The voice of the person on the far left."),
                io.Audio.Input("audio_right", tooltip="The voice of the next person."),
                *further_voices(),
                preset_choice(),
                setting("min_resolution", "512 is what the models were made for"),
                setting("dynamic_scale", slider=True),
                setting("motion_scale", slider=True),
                setting("fps"),
                setting("seed", max=LARGEST_SEED, control_after_generate=True),
                io.String.Input(
                    "faces",
                    default="",
                    optional=True,
                    tooltip="Which face speaks each voice, numbered from the largest face, such as 1 0. "
                    "Empty: the largest faces from left to right.",
                ),
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
        more: dict[str, Any] | None = None,
        faces: str = "",
        **others: Any,
    ) -> io.NodeOutput:
        further = {**(more or {}), **{name: others.pop(name, None) for name in ON_OLD_CORES if name in others}}
        given = [audio_left, audio_right, *(further[name] for name in FURTHER if further.get(name) is not None)]
        voices = [load_audio(audio_pair(voice)) for voice in given]
        photo = load_image(image)
        if image_right is not None:
            photo = side_by_side(photo, load_image(image_right))
        settings = settings_of_preset(preset).with_changes(faces=parse_faces(faces), **others)
        for stage in STAGES:
            model.stages[stage].to_device()
        clip = dialogue(photo, voices, model.pipeline.engine, model.pipeline.detector, settings, on_step=on_step)
        return io.NodeOutput(SonicClip(model.stages["decode"].behind(without_record(clip))))

    @classmethod
    def validate_inputs(cls, preset: str | None = None, more: Any = None) -> bool | str:
        # A core whose inputs grow hands them on here, asked for or not.
        return checked(cls, preset=preset)
