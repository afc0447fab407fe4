"""The AI-content mark: a record in the file, and a visible text."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from sonic_core.disclosure.label import CORNERS, LABELS, MIN_HEIGHT, MIN_SECONDS, VisibleLabel, label
from sonic_core.settings import MAX_SECONDS

from . import host
from .node import SonicNode, checked, schema
from .sockets import ClipSocket, SonicClip, SonicLatents, as_clip, clip_input

AUTO, OWN = "auto", "own text"


class SonicLabel(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicLabel",
            display_name="Sonic: AI Label",
            description="Writes a visible text such as 'AI-generated' into the picture, and the record with it "
            "into the file (AIGC, GB 45438-2025). Bypassed, the text is left out; Sonic: Render Video still writes "
            "the record.",
            search_aliases=["watermark", "AI-generated", "AIGC", "C2PA", "水印", "标识"],
            inputs=[
                clip_input("The clip to mark, or the sampler's latents."),
                io.Boolean.Input(
                    "visible",
                    default=True,
                    tooltip="Write the text into the picture. Off: the record in the file only.",
                ),
                io.Combo.Input(
                    "language",
                    options=[AUTO, *LABELS, OWN],
                    default=AUTO,
                    tooltip="The language of the text. auto: Chinese where ComfyUI is shown in Chinese, else English. "
                    "own text: the one in text.",
                ),
                io.String.Input("text", default="", tooltip="Your own text, used with the language 'own text'."),
                io.Float.Input(
                    "seconds",
                    default=MIN_SECONDS,
                    min=0.0,
                    max=MAX_SECONDS,
                    step=0.5,
                    tooltip=f"How long it is shown from the start, {MIN_SECONDS:g} at least. 0: all the time.",
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
                io.Combo.Input("corner", options=list(CORNERS), default="bottom-right", tooltip="Where it is shown."),
            ],
            hidden=[io.Hidden.extra_pnginfo],
            outputs=[ClipSocket.Output("labelled", display_name="clip", tooltip="The marked clip.")],
        )

    @classmethod
    def run(
        cls,
        on_step: Any,
        clip: SonicClip | SonicLatents,
        visible: bool,
        language: str,
        text: str,
        seconds: float,
        height: float,
        corner: str,
    ) -> io.NodeOutput:
        made = as_clip(clip)
        shown = None
        if visible:
            words = {OWN: text, AUTO: host.label_language()}.get(language, language)
            shown = VisibleLabel(words, seconds or None, height, corner)  # type: ignore[arg-type]
        return io.NodeOutput(made.then(label(made.clip, shown, job_id=host.made_for(cls))))

    @classmethod
    def validate_inputs(cls, language: str | None = None, corner: str | None = None) -> bool | str:
        return checked(cls, language=language, corner=corner)
