"""Photo and sound made ready: face found, photo framed, speech features computed once."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from sonic_core.face.by_hand import box_of_mask, parse_box
from sonic_core.face.draw import drawn
from sonic_core.media.image import load_image
from sonic_core.settings import Settings

from . import host
from .model import SonicModel
from .sockets import CATEGORY, ModelSocket, PreData, PreDataSocket, audio_pair
from .widgets import setting


class SonicPreData(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SONIC_PreData",
            display_name="Sonic: Prepare Portrait and Speech",
            category=CATEGORY,
            description="Finds the face, frames the photo and listens to the speech. The preview shows what was found.",
            inputs=[
                ModelSocket.Input("model", tooltip="From Sonic: Load Model."),
                io.Image.Input("image", tooltip="One photo with a face."),
                io.Audio.Input("audio", tooltip="The speech, up to 30 minutes."),
                setting(
                    "duration",
                    "0: as long as the audio. A shorter one than the audio's is an error unless trim is on",
                    default=0.0,
                    min=0.0,
                ),
                setting("trim"),
                io.Combo.Input(
                    "framing",
                    options=["whole", "face"],
                    default="whole",
                    tooltip="whole: the whole photo. face: a square around the head; "
                    "Sonic: Paste Back puts it back into the photo.",
                ),
                setting("min_resolution", "512 is what the models were made for"),
                setting("expand_ratio", slider=True),
                setting("face_index"),
                io.String.Input(
                    "face_box",
                    default="",
                    placeholder="x1 y1 x2 y2",
                    tooltip="The face by hand, where none is found: x1 y1 x2 y2 in the photo's pixels. Empty: find it.",
                ),
                io.Mask.Input(
                    "face_mask",
                    optional=True,
                    tooltip="The face by hand, painted: its bounding box is taken. An empty mask is ignored.",
                ),
            ],
            outputs=[
                PreDataSocket.Output("predata", display_name="predata", tooltip="What the sampler needs."),
                io.Image.Output(
                    "preview", display_name="preview", tooltip="The photo with face box, crop and landmarks drawn."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: SonicModel,
        image: Any,
        audio: Any,
        duration: float,
        face_box: str,
        face_mask: Any = None,
        **widgets: Any,
    ) -> io.NodeOutput:
        on_step = host.stepper()
        box = parse_box(face_box)
        if box is None and face_mask is not None:
            height, width = image.shape[1:3]
            box = box_of_mask(face_mask.cpu().numpy(), (width, height))
        settings = Settings(duration=duration or None, face_box=box, **widgets)
        prepared = model.pipeline.prepare(load_image(image), audio_pair(audio), settings)
        model.stages["condition"].to_device()
        conditions = model.pipeline.engine.condition(prepared.portrait, prepared.speech, settings, on_step)
        picture = drawn(prepared.photo, prepared.face_in_photo(), prepared.crop)
        return io.NodeOutput(PreData(prepared, conditions), host.image_tensor(picture))
