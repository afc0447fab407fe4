"""Loads a model once; ComfyUI keeps it between runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from comfy import model_management
from comfy_api.latest import io

from sonic_core.errors import ModelError, SonicError
from sonic_core.pipeline import SonicPipeline
from sonic_core.weights.catalog import SVD_FOLDER, missing_of, model_status, readable_size

from . import host, neighbours
from .model import SonicModel
from .node import TALKING, SonicNode, checked, schema
from .pre_data import SonicPreData
from .sockets import ModelSocket

PRECISIONS = ["auto", "fp16", "bf16", "fp32"]
AS_THEY_ARE = "as they are"
WEIGHTS = [AS_THEY_ARE, "int8", "fp8"]


class SonicLoadModel(SonicNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        neighbours.say_if_replaced(SonicPreData)
        return schema(
            node_id="SonicLoadModel",
            display_name="Sonic: Load Model",
            description="Loads the bundled model (lite) or the released Sonic model from ComfyUI/models/sonic.",
            search_aliases=TALKING,
            inputs=[
                io.Combo.Input(
                    "model",
                    options=host.model_names(),
                    default=host.BUNDLED,
                    tooltip="lite: bundled, runs on any computer. sonic: the released model, read from "
                    "models/sonic; if files are missing, the run names each with its size, licence and folder.",
                ),
                io.Combo.Input(
                    "precision",
                    options=PRECISIONS,
                    default="auto",
                    tooltip="Number format of the networks. auto: what ComfyUI uses on this device. "
                    "Try fp32 if frames come out black or flicker. lite always computes in fp32.",
                ),
                io.Boolean.Input(
                    "compile",
                    default=False,
                    tooltip="Compile the network with torch.compile: the first run takes a minute longer, "
                    "later ones are faster. Needs a GPU and Triton. No effect on lite.",
                ),
                io.Combo.Input(
                    "weights",
                    options=WEIGHTS,
                    default=AS_THEY_ARE,
                    optional=True,  # workflows of 0.2.0 do not have it
                    tooltip="How the UNet's weights are stored. int8 and fp8 halve the memory they take and change the "
                    "result a little; fp8 needs an RTX 40 card or a later one. No effect on lite.",
                ),
                io.Vae.Input(
                    "vae",
                    optional=True,
                    tooltip="The VAE of Stable Video Diffusion from a core loader. "
                    "Not connected: the one in the model folder. Not used by lite.",
                ),
                io.ClipVision.Input(
                    "clip_vision",
                    optional=True,
                    tooltip="The CLIP ViT-H vision model of Stable Video Diffusion from a core loader. "
                    "Not connected: the one in the model folder. Not used by lite.",
                ),
            ],
            outputs=[ModelSocket.Output("sonic_model", display_name="model", tooltip="The loaded model.")],
        )

    @classmethod
    def run(
        cls,
        on_step: Any,
        model: str,
        precision: str,
        compile: bool,
        weights: str = AS_THEY_ARE,
        vae: Any = None,
        clip_vision: Any = None,
    ) -> io.NodeOutput:
        path = host.model_path(model)
        if path == host.BUNDLED:
            return io.NodeOutput(SonicModel.of(SonicPipeline.from_pretrained(path, "cpu")))
        check_files(Path(path), with_svd=vae is None or clip_vision is None)
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
            eight_bit=None if weights == AS_THEY_ARE else weights,
            rest_device=model_management.unet_offload_device(),
        )
        return io.NodeOutput(SonicModel.of(pipeline))

    @classmethod
    def validate_inputs(
        cls, model: str | None = None, precision: str | None = None, weights: str | None = None
    ) -> bool | str:
        try:
            if model is not None:
                host.model_path(model)
        except SonicError as error:
            return str(error)
        return checked(cls, precision=precision, weights=weights)


def check_files(folder: Path, with_svd: bool) -> None:
    """Raise ModelError that names every file a released model lacks: size, licence, where it belongs."""
    missing = [
        status.file
        for status in missing_of(model_status(folder))
        if not status.file.optional and (with_svd or not status.file.path.startswith(SVD_FOLDER))
    ]
    if missing:
        named = ", ".join(f"{file.path} ({readable_size(file.size)}, {file.licence})" for file in missing)
        raise ModelError(
            f"the released model is not complete in {folder}; put there {named}: Sonic: Download Model fetches them, "
            f"and so does 'python -m sonic_core models download --folder {folder}'; "
            "their links stand in the note of the template 'Photo speaks, best quality'"
        )


def on_cpu(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
