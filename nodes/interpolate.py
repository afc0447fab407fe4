"""Another frame rate."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from sonic_core.video.interpolate import METHODS, interpolate, load_rife

from . import host
from .model import ManagedNetworks, managed
from .node import SonicNode, checked, schema
from .sockets import ClipSocket, SonicClip, SonicLatents, as_clip, clip_input
from .widgets import setting


class SonicInterpolate(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicInterpolate",
            display_name="Sonic: Interpolate",
            description="Gives the clip another frame rate. The length and the lip timing stay.",
            search_aliases=["RIFE", "frame interpolation", "fps", "slow motion"],
            inputs=[
                clip_input("The clip to resample, or the sampler's latents."),
                setting("fps"),
                io.Combo.Input(
                    "method",
                    options=list(METHODS),
                    default="auto",
                    tooltip="auto: RIFE where models/sonic/RIFE/flownet.pkl is there, else optical flow. "
                    "repeat: frames are repeated or left out.",
                ),
            ],
            outputs=[ClipSocket.Output("resampled", display_name="clip", tooltip="The clip at the new rate.")],
        )

    @classmethod
    def run(cls, on_step: Any, clip: SonicClip | SonicLatents, fps: float, method: str) -> io.NodeOutput:
        made = as_clip(clip)
        path = host.model_file("RIFE/flownet.pkl") if method in ("auto", "rife") else None
        network = load_rife(path) if path is not None else None
        resampled = interpolate(made.clip, fps, method, network)  # type: ignore[arg-type]
        if network is not None:
            resampled = ManagedNetworks((managed(network),)).behind(resampled)
        return io.NodeOutput(made.then(resampled))

    @classmethod
    def validate_inputs(cls, method: str | None = None) -> bool | str:
        return checked(cls, method=method)
