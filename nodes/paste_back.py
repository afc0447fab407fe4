"""Puts the animated square back into the photo."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from .node import SonicNode, schema
from .sockets import ClipSocket, SonicClip, SonicLatents, as_clip, clip_input, pasted_back


class SonicPasteBack(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="SonicPasteBack",
            display_name="Sonic: Paste Back",
            description="Puts the moving face back into the photo at the photo's full size, its colours matched. "
            "With framing 'photo' that is done already and with 'whole' there is nothing to put back: "
            "the clip passes through.",
            search_aliases=["composite face", "uncrop"],
            inputs=[clip_input("A clip that was made with framing 'face', or the sampler's latents.")],
            outputs=[ClipSocket.Output("pasted", display_name="clip", tooltip="A clip as large as the photo.")],
        )

    @classmethod
    def run(cls, on_step: Any, clip: SonicClip | SonicLatents) -> io.NodeOutput:
        return io.NodeOutput(pasted_back(as_clip(clip)))
