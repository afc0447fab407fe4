"""The shape a platform wants: upright, wide, square, or any size."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from sonic_core.finish.chain import on_canvas
from sonic_core.finishing import CANVAS_MODES, CANVAS_SIZES, MAX_SIDE, Finishing

from .node import SonicNode, checked, schema
from .sockets import ClipSocket, SonicClip, SonicLatents, as_clip, clip_input

OWN = "own size"


class SonicCanvas(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicCanvas",
            display_name="Sonic: Canvas",
            description="Gives the video the shape a platform wants: 9:16, 16:9, 1:1 or any size. "
            "Put it before Sonic: AI Label, so that the label is not scaled.",
            search_aliases=["vertical video", "portrait video", "aspect ratio", "reels", "tiktok", "9:16", "竖屏"],
            inputs=[
                clip_input("The clip to fit, or the sampler's latents."),
                io.Combo.Input(
                    "canvas",
                    options=[*CANVAS_SIZES, OWN],
                    default="9:16",
                    tooltip=f"{', '.join(f'{name} is {w} x {h}' for name, (w, h) in CANVAS_SIZES.items())}. "
                    "own size: width and height below.",
                ),
                io.Combo.Input(
                    "mode",
                    options=list(CANVAS_MODES),
                    default="blur",
                    tooltip="fit: the whole picture with black bars. blur: the whole picture over a blurred copy of "
                    "itself. fill: the picture covers the canvas, cropped around the face.",
                ),
                side("width", 1080),
                side("height", 1920),
            ],
            outputs=[ClipSocket.Output("fitted", display_name="clip", tooltip="The clip in its new size.")],
        )

    @classmethod
    def run(
        cls, on_step: Any, clip: SonicClip | SonicLatents, canvas: str, mode: str, width: int, height: int
    ) -> io.NodeOutput:
        made = as_clip(clip)
        size = f"{width}x{height}" if canvas == OWN else canvas
        return io.NodeOutput(made.then(on_canvas(made.clip, Finishing(canvas=size, canvas_mode=mode))))

    @classmethod
    def validate_inputs(cls, canvas: str | None = None, mode: str | None = None) -> bool | str:
        return checked(cls, canvas=canvas, mode=mode)


def side(name: str, default: int) -> io.Input:
    return io.Int.Input(
        name,
        default=default,
        min=16,
        max=MAX_SIDE,
        step=2,
        tooltip=f"The {name} in pixels with 'own size', an even number.",
    )
