"""Loads a model once; ComfyUI keeps it between runs."""

from __future__ import annotations

from typing import Any

import torch
from comfy import model_management
from comfy_api.latest import io

from sonic_core.pipeline import SonicPipeline

from . import host, neighbours
from .model import SonicModel
from .pre_data import SonicPreData
from .sockets import CATEGORY, ModelSocket

PRECISIONS = ["auto", "fp16", "bf16", "fp32"]


class SonicLoadModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        neighbours.say_if_replaced(SonicPreData)
        return io.Schema(
            node_id="SonicLoadModel",
            display_name="Sonic: Load Model",
            category=CATEGORY,
            description="Loads the bundled model (lite) or the released Sonic model from ComfyUI/models/sonic.",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=host.model_names(),
                    default=host.BUNDLED,
                    tooltip="lite: bundled, runs on any computer. sonic: the released model, whose files "
                    "(unet.pth, audio2token.pth, audio2bucket.pth, whisper-tiny) lie in models/sonic.",
                ),
                io.Combo.Input(
                    "precision",
                    options=PRECISIONS,
                    default="auto",
                    tooltip="Number format of the networks. auto: what ComfyUI uses on this device. "
                    "fp32 is the remedy for black or flickering frames. lite always computes in fp32.",
                ),
                io.Boolean.Input(
                    "compile",
                    default=False,
                    tooltip="Compile the network with torch.compile: the first run takes a minute longer, "
                    "later ones are faster. Needs a GPU and Triton. No effect on lite.",
                ),
                io.Vae.Input(
                    "vae",
                    optional=True,
                    tooltip="The VAE of Stable Video Diffusion from a core loader. "
                    "Left open: the one in the model folder. Not used by lite.",
                ),
                io.ClipVision.Input(
                    "clip_vision",
                    optional=True,
                    tooltip="The CLIP ViT-H vision model of Stable Video Diffusion from a core loader. "
                    "Left open: the one in the model folder. Not used by lite.",
                ),
            ],
            outputs=[ModelSocket.Output("sonic_model", display_name="model", tooltip="The loaded model.")],
        )

    @classmethod
    def execute(
        cls, model: str, precision: str, compile: bool, vae: Any = None, clip_vision: Any = None
    ) -> io.NodeOutput:
        path = host.model_path(model)
        if path == host.BUNDLED:
            return io.NodeOutput(SonicModel.of(SonicPipeline.from_pretrained(path, "cpu")))
        from sonic_core.engines.sonic.checkpoint import SvdParts  # heavy, and lite does without

        parts = SvdParts(
            vae=None if vae is None else on_cpu(vae.first_stage_model),
            image_encoder=None if clip_vision is None else on_cpu(clip_vision.model),
        )
        pipeline = SonicPipeline.from_pretrained(
            path,
            model_management.get_torch_device(),
            host.compute_dtype(precision),
            compile=compile,
            svd_parts=parts,
            rest_device=model_management.unet_offload_device(),
        )
        return io.NodeOutput(SonicModel.of(pipeline))


def on_cpu(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
