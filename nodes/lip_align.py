"""Corrects the time between lips and sound."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from sonic_core.finish.lip_align import lips_later, shifted
from sonic_core.quality.lip_sync import Alignment
from sonic_core.quality.lip_sync import measure as measured

from . import host
from .node import SonicNode, checked, schema
from .sockets import ClipSocket, SonicClip, SonicLatents, as_clip, clip_input
from .widgets import setting

MOVES = ["sound", "frames"]


class SonicLipAlign(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicLipAlign",
            display_name="Sonic: Lip Align",
            description="Measures the time between lips and sound and corrects it. Where the measurement is uncertain, "
            "as in silence or music, nothing changes.",
            search_aliases=["lip sync", "sync audio", "audio offset", "口型"],
            inputs=[
                clip_input("The clip to align, or the sampler's latents. Its frames are rendered once to be measured."),
                io.Boolean.Input(
                    "measure", default=True, tooltip="Measure and correct. Off: apply lip_sync_offset only."
                ),
                setting("lip_sync_offset", "Added to what is measured"),
                io.Combo.Input(
                    "move",
                    options=MOVES,
                    default=MOVES[0],
                    tooltip="sound: the sound is moved and frames stay untouched. frames: the other way round.",
                ),
            ],
            outputs=[
                ClipSocket.Output("aligned", display_name="clip", tooltip="The aligned clip."),
                io.Float.Output(
                    "offset", display_name="offset", tooltip="Seconds by which the lips came later than the sound."
                ),
                io.Float.Output(
                    "confidence", display_name="confidence", tooltip="How sure the measurement is, from 0 to 1."
                ),
            ],
        )

    @classmethod
    def run(
        cls, on_step: Any, clip: SonicClip | SonicLatents, measure: bool, lip_sync_offset: float, move: str
    ) -> io.NodeOutput:
        made = as_clip(clip)
        found = Alignment(0.0, 0.0, 0.0, 0.0)
        if measure:
            found = measured(host.watched(made.clip, on_step))
        meant = 0.0 if made.origin is None else made.origin.prepared.settings.lip_sync_offset
        late = found.offset - meant if found.trusted else 0.0
        aligned = shifted(made.clip, late, move) if late else made.clip  # type: ignore[arg-type]
        return io.NodeOutput(made.then(lips_later(aligned, lip_sync_offset)), found.offset, found.confidence)

    @classmethod
    def validate_inputs(cls, move: str | None = None) -> bool | str:
        return checked(cls, move=move)
