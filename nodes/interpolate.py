"""Another frame rate."""

from __future__ import annotations

from comfy_api.latest import io

from sonic_core.video.interpolate import METHODS, interpolate, load_rife

from . import host
from .model import Managed, managed
from .sockets import CATEGORY, ClipSocket, Made
from .widgets import setting


class SonicInterpolate(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SonicInterpolate",
            display_name="Sonic: Interpolate",
            category=CATEGORY,
            description="Gives the clip another frame rate. The length and the lip timing stay.",
            inputs=[
                ClipSocket.Input("clip", tooltip="The clip to resample."),
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
    def execute(cls, clip: Made, fps: float, method: str) -> io.NodeOutput:
        path = host.model_file("RIFE/flownet.pkl") if method in ("auto", "rife") else None
        network = load_rife(path) if path is not None else None
        resampled = interpolate(clip.clip, fps, method, network)  # type: ignore[arg-type]
        if network is not None:
            resampled = Managed((managed(network),)).behind(resampled)
        return io.NodeOutput(clip.then(resampled))
