"""The VAE and the image encoder inside the single file `svd_xt*.safetensors`, under their diffusers names.

The file holds the original names of Stability's code. The mapping is a list of rules on the name, one for each
kind of module; tensors of the SVD UNet are neither renamed nor read.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from sonic_core.errors import ModelError
from sonic_core.weights.read import read_some, tensor_names

VAE_PREFIX = "first_stage_model."
CLIP_PREFIX = "conditioner.embedders.0.open_clip.model.visual."

_Rules = tuple[tuple[str, str], ...]

_VAE_ATTENTION: _Rules = (
    (r"mid\.attn_1\.norm\.", "mid_block.attentions.0.group_norm."),
    (r"mid\.attn_1\.([qkv])\.", r"mid_block.attentions.0.to_\1."),
    (r"mid\.attn_1\.proj_out\.", "mid_block.attentions.0.to_out.0."),
)
_OLD_ATTENTION: _Rules = (
    (r"\.attentions\.(\d+)\.query\.", r".attentions.\1.to_q."),
    (r"\.attentions\.(\d+)\.key\.", r".attentions.\1.to_k."),
    (r"\.attentions\.(\d+)\.value\.", r".attentions.\1.to_v."),
    (r"\.attentions\.(\d+)\.proj_attn\.", r".attentions.\1.to_out.0."),
)
"""What diffusers called the parts of the VAE's attention before version 0.18."""

_VAE_ENDS: _Rules = (
    (r"\.norm_out\.", ".conv_norm_out."),
    (r"^decoder\.conv_out\.time_mix_conv\.", "decoder.time_conv_out."),
)
_TIME_STACK: _Rules = (
    (r"\.time_stack\.in_layers\.0\.", ".temporal_res_block.norm1."),
    (r"\.time_stack\.in_layers\.2\.", ".temporal_res_block.conv1."),
    (r"\.time_stack\.out_layers\.0\.", ".temporal_res_block.norm2."),
    (r"\.time_stack\.out_layers\.3\.", ".temporal_res_block.conv2."),
    (r"\.mix_factor$", ".time_mixer.mix_factor"),
)
_CLIP: _Rules = (
    (r"^class_embedding$", "vision_model.embeddings.class_embedding"),
    (r"^positional_embedding$", "vision_model.embeddings.position_embedding.weight"),
    (r"^conv1\.", "vision_model.embeddings.patch_embedding."),
    (r"^ln_pre\.", "vision_model.pre_layrnorm."),
    (r"^ln_post\.", "vision_model.post_layernorm."),
    (r"^transformer\.resblocks\.", "vision_model.encoder.layers."),
    (r"\.ln_([12])\.", r".layer_norm\1."),
    (r"\.attn\.out_proj\.", ".self_attn.out_proj."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)


def read_vae(path: Path) -> dict[str, Tensor]:
    """Read the VAE under the names of diffusers' `AutoencoderKLTemporalDecoder`.

    Raises:
        ModelError: the file holds no SVD autoencoder.
    """
    names = [name for name in tensor_names(path) if name.startswith(VAE_PREFIX)]
    if VAE_PREFIX + "decoder.conv_out.time_mix_conv.weight" not in names:
        raise ModelError(
            f"{path} holds no Stable Video Diffusion VAE; give svd_xt.safetensors or svd_xt_1_1.safetensors"
        )
    return rename_vae({name.removeprefix(VAE_PREFIX): tensor for name, tensor in read_some(path, names).items()})


def rename_vae(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a VAE from Stability's names (`encoder.down...`, `decoder.up...`) to those of diffusers.

    Raises:
        ModelError: it is another autoencoder.
    """
    levels = [int(m[1]) for name in state if (m := re.search(r"decoder\.up\.(\d+)\.", name))]
    if not levels or "decoder.conv_out.time_mix_conv.weight" not in state:
        raise ModelError("the VAE is not that of Stable Video Diffusion; load svd_xt.safetensors for it")
    renamed = {vae_name(name, 1 + max(levels)): tensor for name, tensor in state.items()}
    if "quant_conv.weight" not in renamed:  # as in ComfyUI's network: the encoder's last convolution holds it
        moments = renamed["encoder.conv_out.bias"]
        renamed["quant_conv.weight"] = torch.eye(len(moments), dtype=moments.dtype, device=moments.device)[
            ..., None, None
        ]
        renamed["quant_conv.bias"] = torch.zeros_like(moments)
    return _linear_attention(renamed)


def current_vae_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a VAE from the names of any version of diffusers to those of today."""
    return _linear_attention({_apply(_OLD_ATTENTION, name): tensor for name, tensor in state.items()})


def _linear_attention(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Attention was a 1x1 convolution in the original and is a linear layer in diffusers."""
    return {k: v[:, :, 0, 0] if ".attentions." in k and v.ndim == 4 else v for k, v in state.items()}


def vae_name(name: str, levels: int) -> str:
    """The diffusers name of a VAE tensor; the decoder counts its `levels` the other way round."""
    name = _apply(_VAE_ATTENTION + _VAE_ENDS, name)
    name = re.sub(r"^(encoder)\.down\.(\d+)\.block\.", r"\1.down_blocks.\2.resnets.", name)
    name = re.sub(r"^(encoder)\.down\.(\d+)\.downsample\.", r"\1.down_blocks.\2.downsamplers.0.", name)
    name = re.sub(r"\.mid\.block_(\d)\.", lambda m: f".mid_block.resnets.{int(m[1]) - 1}.", name)
    name = re.sub(
        r"^decoder\.up\.(\d+)\.block\.", lambda m: f"decoder.up_blocks.{levels - 1 - int(m[1])}.resnets.", name
    )
    name = re.sub(
        r"^decoder\.up\.(\d+)\.upsample\.",
        lambda m: f"decoder.up_blocks.{levels - 1 - int(m[1])}.upsamplers.0.",
        name,
    )
    name = name.replace(".nin_shortcut.", ".conv_shortcut.")
    renamed = _apply(_TIME_STACK, name)
    if name.startswith("decoder.") and renamed == name:
        renamed = re.sub(r"(\.resnets\.\d+)\.", r"\1.spatial_res_block.", name)
    return renamed


def read_image_encoder(path: Path) -> dict[str, Tensor]:
    """Read the OpenCLIP image encoder under the names of transformers' `CLIPVisionModelWithProjection`.

    Raises:
        ModelError: the file holds no such encoder.
    """
    names = [name for name in tensor_names(path) if name.startswith(CLIP_PREFIX)]
    if CLIP_PREFIX + "proj" not in names:
        raise ModelError(f"{path} holds no image encoder; give svd_xt.safetensors or svd_xt_1_1.safetensors")
    renamed: dict[str, Tensor] = {}
    for name, tensor in read_some(path, names).items():
        renamed.update(_clip_tensors(name.removeprefix(CLIP_PREFIX), tensor))
    return renamed


def _clip_tensors(name: str, tensor: Tensor) -> Iterable[tuple[str, Tensor]]:
    """A tensor of OpenCLIP under its new name; the joint projection of q, k and v becomes three."""
    if name == "proj":
        return [("visual_projection.weight", tensor.T.contiguous())]
    joint = re.fullmatch(r"transformer\.resblocks\.(\d+)\.attn\.in_proj_(weight|bias)", name)
    if joint is None:
        return [(_apply(_CLIP, name), tensor)]
    layer = f"vision_model.encoder.layers.{joint[1]}.self_attn"
    return [
        (f"{layer}.{part}_proj.{joint[2]}", values.contiguous())
        for part, values in zip("qkv", torch.chunk(tensor, 3), strict=True)
    ]


def _apply(rules: _Rules, name: str) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name
