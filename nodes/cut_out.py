"""The person without their background: transparent, on a colour, or in front of a picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from comfy_api.latest import io

from sonic_core.clip import Clip
from sonic_core.errors import SettingsError
from sonic_core.finish.alpha import cut_out_video, with_alpha
from sonic_core.finish.background import behind, on_background
from sonic_core.finishing import COLOURS, TRANSPARENT, check_no_path
from sonic_core.media.image import load_image

from .node import SonicNode, checked, schema
from .sockets import ClipSocket, SonicClip, SonicLatents, clip_input, decoded

OWN, PICTURE = "own colour", "picture"


class SonicCutOut(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicCutOut",
            display_name="Sonic: Cut Out",
            description="Cuts the person out and puts nothing, a colour or a picture behind them. Connect the "
            "sampler's latents for the finest edges around hair. Sonic: Render Video writes alpha as webm or mov.",
            search_aliases=["remove background", "matting", "green screen", "alpha", "rembg", "抠图", "背景"],
            inputs=[
                clip_input("The clip to cut the person out of, or the sampler's latents."),
                io.Combo.Input(
                    "background",
                    options=[TRANSPARENT, *COLOURS, OWN, PICTURE],
                    default=TRANSPARENT,
                    tooltip="What stands behind the person. transparent: nothing. own colour: the one below. "
                    "picture: the one that is connected.",
                ),
                io.String.Input("colour", default="#ffffff", tooltip="The colour for 'own colour', as #rrggbb."),
                io.Image.Input(
                    "picture",
                    optional=True,
                    tooltip="The picture for 'picture'. It fills the frame; what does not fit is cropped.",
                ),
            ],
            outputs=[ClipSocket.Output("cut", display_name="clip", tooltip="The person before the new background.")],
        )

    @classmethod
    def run(
        cls,
        on_step: Any,
        clip: SonicClip | SonicLatents,
        background: str,
        colour: str,
        picture: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        if background == PICTURE and picture is None:
            raise SettingsError("background is 'picture' and none is connected; connect one, or choose a colour")
        if background == PICTURE and picture is not None:
            made = cut_out(clip)
            return io.NodeOutput(made.then(behind(made.clip, load_image(picture[:1]))))
        chosen = colour if background == OWN else background
        check_no_path(chosen)
        made = cut_out(clip)
        return io.NodeOutput(made.then(on_background(made.clip, chosen)))

    @classmethod
    def validate_inputs(cls, background: str | None = None) -> bool | str:
        return checked(cls, background=background)


def cut_out(given: SonicClip | SonicLatents) -> SonicClip:
    """The clip with alpha: the photo's where it was made from one, else cut out frame by frame."""
    if isinstance(given, SonicLatents):
        prepared = given.prepared.without_background()
        latents = replace(given.latents, portrait=prepared.portrait)
        given = decoded(replace(given, latents=latents, prepared=prepared))
    return given.then(cut_out_video(with_photos_alpha(given)))


def with_photos_alpha(made: SonicClip) -> Clip:
    """The clip with the alpha of the photo it shows, as it is where it shows another part or size of it."""
    if made.origin is None or made.clip.has_alpha:
        return made.clip
    portrait = made.origin.prepared.portrait.image
    if (made.clip.height, made.clip.width) != portrait.shape[:2]:
        return made.clip
    return with_alpha(made.clip, made.origin.prepared.without_background().portrait)
