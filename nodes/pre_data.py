"""Prepares photo and sound: finds the face, frames the photo, computes the speech features once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from comfy_api.latest import io

from sonic_core.errors import InputError, SonicError
from sonic_core.face.by_hand import box_of_mask, parse_box
from sonic_core.face.draw import drawn
from sonic_core.media.image import load_image
from sonic_core.settings import Settings

from . import host
from .model import SonicModel
from .node import TALKING, SonicNode, checked, schema
from .sockets import ModelSocket, PreData, PreDataSocket, audio_pair
from .widgets import choice, setting
from .words import with_advice

MOST_PHOTOS = 64
# Pictures that follow one another with less change than this (mean over pixels, 0 to 1) are frames of a video.
ALIKE, FEWEST_FRAMES = 0.05, 9


class SonicPreData(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SONIC_PreData",
            display_name="Sonic: Prepare Photo and Voice",
            description="Finds the face, frames the photo and listens to the speech. The preview shows what was found. "
            "Several photos, or several sounds, become several clips.",
            search_aliases=TALKING,
            inputs=[
                ModelSocket.Input("model", tooltip="From Sonic: Load Model."),
                io.Image.Input("image", tooltip="A photo with a face. A batch of photos gives a clip for each."),
                io.Audio.Input("audio", tooltip="The speech, up to two hours. A list of sounds gives a clip for each."),
                setting(
                    "duration",
                    "0: as long as the audio. Shorter than the audio is an error unless trim is on",
                    default=0.0,
                    min=0.0,
                ),
                setting("trim"),
                choice("framing"),
                setting("min_resolution", "512 is what the models were made for"),
                setting("expand_ratio", slider=True),
                setting("face_index"),
                io.String.Input(
                    "face_box",
                    default="",
                    placeholder="x1 y1 x2 y2",
                    tooltip="The face by hand, when none is found: x1 y1 x2 y2 in the photo's pixels. Empty: find it.",
                ),
                io.Mask.Input(
                    "face_mask",
                    optional=True,
                    tooltip="The face, painted by hand: its bounding box is used. An empty mask is ignored.",
                ),
                # Optional, since the workflows of 0.1.0 lack them.
                setting("lip_sync_offset", optional=True),
                setting("fps", optional=True),
                choice("covered_mouth", optional=True),
            ],
            outputs=[
                PreDataSocket.Output(
                    "predata", display_name="predata", is_output_list=True, tooltip="What the sampler needs."
                ),
                io.Image.Output(
                    "preview",
                    display_name="preview",
                    is_output_list=True,
                    tooltip="The photo with face box, crop and landmarks drawn.",
                ),
            ],
        )

    @classmethod
    def run(
        cls,
        on_step: Any,
        model: SonicModel,
        image: torch.Tensor,
        audio: Any,
        duration: float,
        face_box: str,
        face_mask: torch.Tensor | None = None,
        **widgets: Any,
    ) -> io.NodeOutput:
        photos = photos_of(image)
        sound = audio_pair(audio)
        model.stages["condition"].to_device()
        made, pictures = [], []
        for index, picture in enumerate(photos):

            def one(done: int, total: int, preview: Any = None, index: int = index) -> None:
                on_step(index * total + done, len(photos) * total, preview)

            try:
                photo = load_image(picture)
                box = parse_box(face_box) or masked_box(face_mask, index, photo)
                settings = Settings(duration=duration or None, face_box=box, **widgets)
                prepared = model.pipeline.prepare(photo, sound, settings)
                one(0, 1)  # looks for a cancel: listening comes next
            except SonicError as error:
                raise with_advice(error, f"photo {index + 1} of {len(photos)}: " if len(photos) > 1 else "") from error
            conditions = model.pipeline.engine.condition(prepared.portrait, prepared.speech, settings, one)
            made.append(PreData(prepared, conditions))
            pictures.append(host.image_tensor(drawn(prepared.photo, prepared.face_in_photo(), prepared.crop)))
        return io.NodeOutput(made, pictures)

    @classmethod
    def validate_inputs(cls, framing: str | None = None, covered_mouth: str | None = None) -> bool | str:
        return checked(cls, framing=framing, covered_mouth=covered_mouth)


def photos_of(image: torch.Tensor) -> list[torch.Tensor]:
    """(h, w, c) of every photo of an IMAGE (n, h, w, c). Raises InputError for the frames of a video."""
    if image.ndim == 4 and len(image) >= FEWEST_FRAMES and follow_one_another(image):
        raise InputError(
            f"image holds {len(image)} frames of a video; to give a video another voice use Sonic: Dub Video, "
            "or take one frame of it with Get Image from Batch"
        )
    if image.ndim == 4 and len(image) > MOST_PHOTOS:
        raise InputError(f"image holds {len(image)} photos; {MOST_PHOTOS} at most become clips in one run")
    if image.ndim != 4 or not len(image):
        raise InputError("image holds no photo; connect Load Image")
    return list(image)


def follow_one_another(image: torch.Tensor) -> bool:
    """Whether most neighbours in (n, h, w, c) hardly differ: those of a video do not, photos of people do."""
    small = image[:, :: max(image.shape[1] // 64, 1), :: max(image.shape[2] // 64, 1)].float()
    return bool((small[1:] - small[:-1]).abs().mean((1, 2, 3)).median() < ALIKE)


def masked_box(mask: torch.Tensor | None, index: int, photo: np.ndarray) -> tuple[float, float, float, float] | None:
    """The box painted for a photo: a mask of its own, or the only one there is."""
    if mask is None:
        return None
    painted = mask.cpu().numpy()
    if painted.ndim == 3 and len(painted) > 1:
        painted = painted[min(index, len(painted) - 1)]
    return box_of_mask(painted, (photo.shape[1], photo.shape[0]))
