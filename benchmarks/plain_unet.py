"""Our UNet written the plain way, as a baseline: nothing is cached, and the context is repeated over pixels.

It shares the weights and the levels of `SonicUNet` and replaces what is inside. Every call projects all tokens, the one
image token goes through attention, the temporal blocks get their context once for each pixel, masks and positions are
computed again, feed-forward layers are not sliced, and temporal convolutions are 3-D ones on contiguous memory.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor

from sonic_core.engines.sonic.attention import CrossAttention, FeedForward, attend
from sonic_core.engines.sonic.layers import SpatioTemporalResBlock, TemporalConv, TemporalResBlock
from sonic_core.engines.sonic.unet import (
    Context,
    LayerContext,
    SonicUNet,
    SpatialBlock,
    SpatioTemporalTransformer,
    TemporalBlock,
)


def plain(unet: SonicUNet) -> "PlainUNet":
    """The baseline, which shares the weights of `unet`."""
    twin = copy.copy(unet)
    twin.__dict__ = copy.deepcopy(unet.__dict__, {id(p): p for p in unet.parameters()})
    for module in twin.modules():
        module.__class__ = REPLACED.get(type(module), type(module))
    return twin  # type: ignore[return-value]


class PlainUNet(SonicUNet):
    memory_format = torch.contiguous_format

    def call(
        self, latents: Tensor, timestep: Tensor, scalars: Tensor, image: Tensor, audio: Tensor, mask: Tensor
    ) -> Tensor:
        """As `SonicUNet.forward` with raw tokens image (b, f, 1, d), audio (b, f, t, d) and mask (H, W)."""
        layers = [b for t in self.transformers() for b in t.transformer_blocks]
        raw = LayerContext(image.flatten(0, 1), audio.flatten(0, 1), audio, image.mean(1), audio.mean(1), audio)
        frames = torch.empty(latents.shape[1], 0)
        context = Context((raw,) * len(layers), (frames,) * len(self.transformers()), (mask,) * len(self.down_blocks))
        return self(latents, timestep, scalars, context)


class PlainResBlock(SpatioTemporalResBlock):
    def forward(self, x: Tensor, embedding: Tensor, frames: int) -> Tensor:
        x = self.spatial_res_block(x, embedding.repeat_interleave(frames, dim=0))
        video = x.unflatten(0, (-1, frames)).transpose(1, 2)  # (b, c, f, h, w)
        mixed = self.time_mixer(video, self.temporal_res_block(video, embedding))
        return mixed.transpose(1, 2).reshape(x.shape)


class PlainTemporalResBlock(TemporalResBlock):
    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x)))
        y = y + self.time_emb_proj(F.silu(embedding))[:, :, None, None, None]
        return x + self.conv2(F.silu(self.norm2(y)))


class PlainTemporalConv(TemporalConv):
    def forward(self, x: Tensor) -> Tensor:
        return F.conv3d(x, self.weight, self.bias, padding=(1, 0, 0))


class PlainTransformer(SpatioTemporalTransformer):
    def forward(self, x: Tensor, layers: tuple[LayerContext, ...], positions: Tensor, mask: Tensor) -> Tensor:
        residual = x
        height, width = x.shape[-2:]
        frames = len(positions)
        mask = F.interpolate(mask[None, None], size=(height, width), mode="bicubic").flatten()[None, :, None]
        x = self.proj_in(self.norm(x).permute(0, 2, 3, 1).flatten(1, 2))
        embedded = self.embed_positions(frames).repeat(len(x) // frames, 1)[:, None]
        for spatial, temporal, context in zip(
            self.transformer_blocks, self.temporal_transformer_blocks, layers, strict=True
        ):
            x = spatial(x, context, mask)
            x = self.time_mixer(x, temporal(x + embedded, context, frames))
        x = self.proj_out(x).unflatten(1, (height, width)).permute(0, 3, 1, 2).contiguous()
        return x + residual


class PlainSpatialBlock(SpatialBlock):
    def forward(self, x: Tensor, context: LayerContext, mask: Tensor) -> Tensor:
        x = self.attn1(self.norm1(x)) + x
        x = self.attn2(self.norm2(x), context.image, context.keys, context.values, mask) + x
        return self.ff(self.norm3(x)) + x


class PlainTemporalBlock(TemporalBlock):
    def forward(self, x: Tensor, context: LayerContext, frames: int) -> Tensor:
        size = x.shape[1]
        x = x.unflatten(0, (-1, frames)).transpose(1, 2).flatten(0, 1)  # (b * s, f, c)
        image = context.time_image.repeat_interleave(size, dim=0)
        audio = context.time_keys.repeat_interleave(size, dim=0)
        x = self.ff_in(self.norm_in(x)) + x
        x = self.attn1(self.norm1(x)) + x
        x = self.attn2(self.norm2(x), image, audio, audio) + x
        x = self.ff(self.norm3(x)) + x
        return x.unflatten(0, (-1, size)).transpose(1, 2).flatten(0, 1)


class PlainCrossAttention(CrossAttention):
    def forward(self, x: Tensor, image: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """`image` and `keys` are the raw tokens here."""
        query = self.to_q(x)
        seen = attend(query, self.to_k(image), self.to_v(image), self.heads)
        heard = attend(query, *self.audio_keys_values(keys), self.heads)
        return self.to_out[0](seen + (heard if mask is None else heard * mask))


class PlainFeedForward(FeedForward):
    def forward(self, x: Tensor) -> Tensor:
        return self.net[2](self.net[0](x))


REPLACED: dict[type, type] = {
    SonicUNet: PlainUNet,
    SpatioTemporalResBlock: PlainResBlock,
    TemporalResBlock: PlainTemporalResBlock,
    TemporalConv: PlainTemporalConv,
    SpatioTemporalTransformer: PlainTransformer,
    SpatialBlock: PlainSpatialBlock,
    TemporalBlock: PlainTemporalBlock,
    CrossAttention: PlainCrossAttention,
    FeedForward: PlainFeedForward,
}
