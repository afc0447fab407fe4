"""Lips and sound brought together."""

from __future__ import annotations

from comfy_api.latest import io

from sonic_core.finish.lip_align import shifted
from sonic_core.quality.lip_sync import Alignment
from sonic_core.quality.lip_sync import measure as measured

from . import host
from .sockets import CATEGORY, ClipSocket, Made
from .widgets import setting

MOVES = ["sound", "frames"]


class SonicLipAlign(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SonicLipAlign",
            display_name="Sonic: Lip Align",
            category=CATEGORY,
            description="Measures the time between lips and sound and mends it. Where the measurement is not sure, "
            "as in silence or music, nothing is mended.",
            inputs=[
                ClipSocket.Input("clip", tooltip="The clip to align. Its frames are made once to be measured."),
                io.Boolean.Input(
                    "measure", default=True, tooltip="Measure and mend. Off: only the seconds given by hand."
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
    def execute(cls, clip: Made, measure: bool, lip_sync_offset: float, move: str) -> io.NodeOutput:
        found = Alignment(0.0, 0.0, 0.0, 0.0)
        if measure:
            found = measured(host.watched(clip.clip))
        late = (found.offset if found.trusted else 0.0) - lip_sync_offset
        aligned = shifted(clip.clip, late, move) if late else clip.clip  # type: ignore[arg-type]
        return io.NodeOutput(clip.then(aligned), found.offset, found.confidence)
