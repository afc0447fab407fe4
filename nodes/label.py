"""The AI-content mark: a record in the file, and a visible text."""

from __future__ import annotations

from comfy_api.latest import io

from sonic_core.disclosure.label import CORNERS, LABELS, MIN_HEIGHT, MIN_SECONDS, VisibleLabel, label

from . import host
from .sockets import CATEGORY, ClipSocket, Made

OWN = "own text"


class SonicLabel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SonicLabel",
            display_name="Sonic: AI Label",
            category=CATEGORY,
            description="Marks the video as made by AI: always a record in the file (AIGC, GB 45438-2025), "
            "and a visible text where it is wanted or required.",
            inputs=[
                ClipSocket.Input("clip", tooltip="The clip to mark."),
                io.Boolean.Input(
                    "visible",
                    default=True,
                    tooltip="Write the text into the picture. Off: the record in the file only.",
                ),
                io.Combo.Input(
                    "language", options=[*LABELS, OWN], default="zh", tooltip="The language of the text, or your own."
                ),
                io.String.Input("text", default="", tooltip="Your own text, used with the language 'own text'."),
                io.Float.Input(
                    "seconds",
                    default=MIN_SECONDS,
                    min=0.0,
                    max=1800.0,
                    step=0.5,
                    tooltip=f"How long it stands from the start, {MIN_SECONDS:g} at least. 0: all the time.",
                ),
                io.Float.Input(
                    "height",
                    default=MIN_HEIGHT,
                    min=MIN_HEIGHT,
                    max=0.5,
                    step=0.01,
                    display_mode=io.NumberDisplay.slider,
                    tooltip="Height of the text as a share of the video's short side.",
                ),
                io.Combo.Input("corner", options=list(CORNERS), default="bottom-right", tooltip="Where it stands."),
            ],
            outputs=[ClipSocket.Output("labelled", display_name="clip", tooltip="The marked clip.")],
        )

    @classmethod
    def execute(
        cls, clip: Made, visible: bool, language: str, text: str, seconds: float, height: float, corner: str
    ) -> io.NodeOutput:
        shown = None
        if visible:
            shown = VisibleLabel(text if language == OWN else language, seconds or None, height, corner)
        run, _ = host.run_and_node()  # by which the file's record names what made it
        return io.NodeOutput(clip.then(label(clip.clip, shown, job_id=run)))
