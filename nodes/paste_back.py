"""The animated square put back into the photo."""

from __future__ import annotations

from comfy_api.latest import io

from .sockets import CATEGORY, ClipSocket, Made


class SonicPasteBack(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SonicPasteBack",
            display_name="Sonic: Paste Back",
            category=CATEGORY,
            description="Puts the moving face back into the photo at the photo's full size, its colours matched. "
            "With framing 'whole' there is nothing to put back and the clip passes through.",
            inputs=[ClipSocket.Input("clip", tooltip="A clip that was made with framing 'face'.")],
            outputs=[ClipSocket.Output("pasted", display_name="clip", tooltip="A clip as large as the photo.")],
        )

    @classmethod
    def execute(cls, clip: Made) -> io.NodeOutput:
        return io.NodeOutput(clip.then(clip.pipeline.paste_back(clip.clip, clip.prepared)))
