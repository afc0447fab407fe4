"""The Sonic UNet built in the simplest way: diffusers' SVD UNet with a second key/value pair in every `attn2`.

It shares no code with `sonic_core`. Our UNet is timed against it, and the end-to-end check takes its numbers from it.
Every call projects all tokens, sends the one image token through attention, and repeats the context of the temporal
blocks over all pixels, as diffusers does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import UNetSpatioTemporalConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

OWN_SECTIONS = ("audio_tokens", "sample_size")


@dataclass
class ReferenceContext:
    """The conditions of one call, for b branches of f frames."""

    image: Tensor  # (b, f, 1, d)
    audio: Tensor  # (b, f, t, d)
    mask: Tensor  # (H, W) of the reference image
    latent_size: tuple[int, int]


class AudioAttention(nn.Module):
    """An attention processor for diffusers that attends to the image token and, separately, to the audio tokens."""

    def __init__(self, channels: int, context_dim: int, temporal: bool) -> None:
        super().__init__()
        self.to_k_ip = nn.ModuleList([nn.Linear(context_dim, channels, bias=False)])
        self.to_v_ip = nn.ModuleList([nn.Linear(context_dim, channels, bias=False)])
        self.temporal = temporal
        self.context: ReferenceContext | None = None

    def __call__(  # type: ignore[override]  # diffusers calls its processors, and does not go through forward
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Any = None, **unused: Any
    ) -> Tensor:
        """Features (n, l, c) after attention to the tokens of `context`."""
        assert self.context is not None
        image, audio = self.context.image, self.context.audio
        if self.temporal:
            pixels = len(hidden_states) // len(image)
            image, audio = (x.mean(dim=1).repeat_interleave(pixels, dim=0) for x in (image, audio))
        else:
            image, audio = image.flatten(0, 1), audio.flatten(0, 1)
        query = attn.to_q(hidden_states)
        seen = attention(query, attn.to_k(image), attn.to_v(image), attn.heads)
        heard = attention(query, self.to_k_ip[0](audio), self.to_v_ip[0](audio), attn.heads)
        if not self.temporal:
            heard = heard * mask_at(self.context, hidden_states.shape[1]).to(heard)
        return attn.to_out[1](attn.to_out[0](seen + heard))


def attention(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Multi-head attention of queries (n, l, c) to keys and values (n, t, c): (n, l, c)."""
    q, k, v = (x.view(*x.shape[:2], heads, -1).transpose(1, 2) for x in (query, key, value))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(query.shape)


def mask_at(context: ReferenceContext, tokens: int) -> Tensor:
    """The mask at the level whose feature map has this many pixels: (1, tokens, 1)."""
    height, width = context.latent_size
    while height * width > tokens:
        height, width = (height + 1) // 2, (width + 1) // 2
    resized = F.interpolate(context.mask[None, None].float(), size=(height, width), mode="bicubic")
    return resized.reshape(1, tokens, 1)


def reference_unet(section: Mapping[str, Any]) -> UNetSpatioTemporalConditionModel:
    """diffusers' UNet with audio attention and random weights, of the sizes in a section of `config.json`."""
    settings = {k: tuple(v) if isinstance(v, list | tuple) else v for k, v in section.items() if k not in OWN_SECTIONS}
    plain_levels = len(settings["block_out_channels"]) - 1
    settings["down_block_types"] = ("CrossAttnDownBlockSpatioTemporal",) * plain_levels + ("DownBlockSpatioTemporal",)
    settings["up_block_types"] = ("UpBlockSpatioTemporal",) + ("CrossAttnUpBlockSpatioTemporal",) * plain_levels
    unet = UNetSpatioTemporalConditionModel(**settings)
    processors = dict(unet.attn_processors)
    for name, module in unet.named_modules():
        if name.endswith("attn2"):
            channels, width = module.to_v.out_features, module.to_v.in_features
            processors[f"{name}.processor"] = AudioAttention(channels, width, "temporal_transformer" in name)
    unet.set_attn_processor(processors)
    return unet.eval().requires_grad_(False)


@torch.inference_mode()
def call(
    unet: UNetSpatioTemporalConditionModel,
    latents: Tensor,
    timestep: Tensor,
    scalars: Tensor,
    context: ReferenceContext,
) -> Tensor:
    """The prediction v (b, f, 4, h, w) from latents (b, f, 8, h, w), a timestep (1,) and scalars (b, 3)."""
    for processor in unet.attn_processors.values():
        if isinstance(processor, AudioAttention):
            processor.context = context
    return unet(latents, timestep, context.image[:, 0], added_time_ids=scalars).sample
