"""The published UNet: Stable Video Diffusion's, with audio tokens in every cross-attention.

Read from the bottom: `SonicUNet` is a stem, four levels down, a middle, four levels up and a head. Module names give
the published state-dict keys. What does not change between steps (projected tokens, masks, frame positions) comes in
as a `Context` made by `context.py`.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sonic_core.engines.sonic.attention import CrossAttention, FeedForward, SelfAttention
from sonic_core.engines.sonic.config import UNetConfig
from sonic_core.engines.sonic.layers import (
    GROUPS,
    Downsample,
    Embedding,
    SpatioTemporalResBlock,
    TimeMixer,
    Upsample,
    from_tokens,
    sinusoids,
    to_tokens,
)
from sonic_core.engines.sonic.norms import Norm


class LayerContext(NamedTuple):
    """What one transformer block pair is conditioned on; see `CrossAttention.forward`.

    `b` is the number of windows times branches and `f` the frames of a window.
    """

    image: Tensor  # (b * f, 1, c)
    keys: Tensor  # (b * f, t, c)
    values: Tensor  # (b * f, t, c)
    time_image: Tensor  # (b, 1, c)
    time_keys: Tensor  # (b, t, c)
    time_values: Tensor  # (b, t, c)


class Context(NamedTuple):
    """Everything constant during a call: projections per transformer block, positions, masks per level."""

    layers: tuple[LayerContext, ...]
    positions: tuple[Tensor, ...]  # one a transformer: (f, c)
    masks: tuple[Tensor, ...]  # one a level: (1, h * w, 1)


class SpatialBlock(nn.Module):
    """Attention within a frame, attention to the context, feed-forward: (n, s, c) -> (n, s, c)."""

    def __init__(self, channels: int, heads: int, context_dim: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn1 = SelfAttention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.attn2 = CrossAttention(channels, heads, context_dim)
        self.norm3 = nn.LayerNorm(channels)
        self.ff = FeedForward(channels)

    def forward(self, x: Tensor, context: LayerContext, mask: Tensor) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), context.image, context.keys, context.values, mask)
        return x + self.ff(self.norm3(x))


class TemporalBlock(nn.Module):
    """The same along time, for every pixel by itself: (b * f, s, c) -> (b * f, s, c)."""

    def __init__(self, channels: int, heads: int, context_dim: int) -> None:
        super().__init__()
        self.norm_in = nn.LayerNorm(channels)
        self.ff_in = FeedForward(channels)
        self.norm1 = nn.LayerNorm(channels)
        self.attn1 = SelfAttention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.attn2 = CrossAttention(channels, heads, context_dim)
        self.norm3 = nn.LayerNorm(channels)
        self.ff = FeedForward(channels)

    def forward(self, x: Tensor, context: LayerContext, frames: int) -> Tensor:
        size = x.shape[1]
        x = x.unflatten(0, (-1, frames)).transpose(1, 2).flatten(0, 1)  # (b * s, f, c)
        x = x + self.ff_in(self.norm_in(x))
        x = x + self.attn1(self.norm1(x))
        # All pixels of a window see the same context, so they are one sequence: (b, s * f, c).
        x = x.unflatten(0, (-1, size)).flatten(1, 2)
        x = x + self.attn2(self.norm2(x), context.time_image, context.time_keys, context.time_values)
        x = x + self.ff(self.norm3(x))
        return x.unflatten(1, (size, frames)).transpose(1, 2).flatten(0, 1)


class SpatioTemporalTransformer(nn.Module):
    """Pairs of a spatial and a temporal block, blended: (b * f, c, h, w) -> (b * f, c, h, w)."""

    def __init__(self, channels: int, heads: int, context_dim: int, depth: int) -> None:
        super().__init__()
        self.norm = Norm(GROUPS, channels, eps=1e-6)
        self.proj_in = nn.Linear(channels, channels)
        self.transformer_blocks = nn.ModuleList(SpatialBlock(channels, heads, context_dim) for _ in range(depth))
        self.temporal_transformer_blocks = nn.ModuleList(
            TemporalBlock(channels, heads, context_dim) for _ in range(depth)
        )
        self.time_pos_embed = Embedding(channels, 4 * channels, channels)
        self.time_mixer = TimeMixer()
        self.proj_out = nn.Linear(channels, channels)

    def embed_positions(self, frames: int) -> Tensor:
        """Embedding of the place of each frame in its window: (f, c)."""
        device = self.proj_in.weight.device
        return self.time_pos_embed(sinusoids(torch.arange(frames, device=device), self.proj_in.in_features))

    def forward(self, x: Tensor, layers: tuple[LayerContext, ...], positions: Tensor, mask: Tensor) -> Tensor:
        residual = x
        height, width = x.shape[-2:]
        frames = len(positions)
        x = self.proj_in(to_tokens(self.norm(x)))
        repeated = positions.repeat(len(x) // frames, 1)[:, None]
        pairs = zip(self.transformer_blocks, self.temporal_transformer_blocks, layers, strict=True)
        for spatial, temporal, context in pairs:
            x = spatial(x, context, mask)
            x = self.time_mixer(x, temporal(x + repeated, context, frames))
        return from_tokens(self.proj_out(x), height, width) + residual


class Level(nn.Module):
    """One resolution on the way down, in the middle or on the way up."""

    def __init__(
        self,
        channels: list[tuple[int, int]],
        embed: int,
        eps: float,
        attentions: list[SpatioTemporalTransformer],
        resampler: nn.Module | None = None,
        resampler_name: str = "",
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(SpatioTemporalResBlock(a, b, embed, eps) for a, b in channels)
        if attentions:
            self.attentions = nn.ModuleList(attentions)
        if resampler is not None:
            self.add_module(resampler_name, nn.ModuleList([resampler]))

    def transformers(self) -> list[SpatioTemporalTransformer]:
        return list(getattr(self, "attentions", []))


class SonicUNet(nn.Module):
    """Predicts v for windows of video latents."""

    memory_format = torch.channels_last

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, layers = config.block_out_channels, config.layers_per_block
        embed = 4 * widths[0]
        last = len(widths) - 1

        def transformer(level: int) -> SpatioTemporalTransformer:
            return SpatioTemporalTransformer(
                widths[level],
                config.num_attention_heads[level],
                config.cross_attention_dim,
                config.transformer_layers_per_block[level],
            )

        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.time_embedding = Embedding(widths[0], embed, embed)
        self.add_embedding = Embedding(config.projection_class_embeddings_input_dim, embed, embed)

        self.down_blocks = nn.ModuleList()
        for level, width in enumerate(widths):
            before = widths[max(level - 1, 0)]
            self.down_blocks.append(
                Level(
                    channels=[(before, width)] + [(width, width)] * (layers[level] - 1),
                    embed=embed,
                    eps=1e-6 if level < last else 1e-5,
                    attentions=[transformer(level) for _ in range(layers[level])] if level < last else [],
                    resampler=Downsample(width) if level < last else None,
                    resampler_name="downsamplers",
                )
            )
        self.mid_block = Level([(widths[-1], widths[-1])] * 2, embed, 1e-5, [transformer(last)])
        self.up_blocks = nn.ModuleList()
        for level in reversed(range(len(widths))):
            width, below, above = widths[level], widths[min(level + 1, last)], widths[max(level - 1, 0)]
            inputs = [below] + [width] * layers[level]
            skips = [width] * layers[level] + [above]
            self.up_blocks.append(
                Level(
                    channels=[(a + b, width) for a, b in zip(inputs, skips, strict=True)],
                    embed=embed,
                    eps=1e-6,
                    attentions=[transformer(level) for _ in range(layers[level] + 1)] if level < last else [],
                    resampler=Upsample(width) if level > 0 else None,
                    resampler_name="upsamplers",
                )
            )
        self.conv_norm_out = Norm(GROUPS, widths[0], eps=1e-5)
        self.conv_out = nn.Conv2d(widths[0], config.out_channels, 3, padding=1)

    def transformers(self) -> list[SpatioTemporalTransformer]:
        """All transformers in the order they run; `Context.positions` follows it."""
        levels = [*self.down_blocks, self.mid_block, *self.up_blocks]
        return [transformer for level in levels for transformer in level.transformers()]

    def embed_conditions(self, timestep: Tensor, scalars: Tensor) -> Tensor:
        """Embed the timestep (1,) and the scalar conditions (b, 3): fps and the two motion buckets -> (b, t)."""
        time = self.time_embedding(sinusoids(timestep, self.conv_in.out_channels))
        each = sinusoids(scalars.flatten(), self.config.addition_time_embed_dim)
        return time + self.add_embedding(each.view(len(scalars), -1))

    def forward(self, latents: Tensor, timestep: Tensor, scalars: Tensor, context: Context) -> Tensor:
        """Predict v.

        Args:
            latents: (b, f, 8, h, w) scaled noisy latents and image latents.
            timestep: (1,) `0.25 ln sigma`.
            scalars: (b, 3) fps, translation bucket, expression bucket.
            context: made for these windows by `context.ClipContext.of_windows`.

        Returns:
            (b, f, 4, h, w).
        """
        return self.forward_cached(latents, timestep, scalars, context, None)[0]

    def forward_cached(
        self, latents: Tensor, timestep: Tensor, scalars: Tensor, context: Context, deep: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Predict v, with the features below the first level given from another step, or None to compute them.

        Returns:
            v as `forward`, and the deep features (b, f, c, h / 2, w / 2) that were used.
        """
        frames = latents.shape[1]
        run = _Run(self.embed_conditions(timestep, scalars), frames, context)
        x = self.conv_in(latents.flatten(0, 1).contiguous(memory_format=self.memory_format))
        skips = [x]
        top = self.down_blocks[0]
        x = run.down(top, x, skips, level=0)
        if deep is None:
            x = self._below_top(x, skips, run)
        else:
            run.skip_to_top(self.up_blocks[-1])
            x = deep.flatten(0, 1)
        deep = x.unflatten(0, (-1, frames))
        x = self.up_blocks[-2].upsamplers[0](x, skips[0].shape[-2:])
        x = run.up(self.up_blocks[-1], x, skips, level=0)
        x = self.conv_out(self.conv_norm_out(x, silu=True))
        return x.unflatten(0, (-1, frames)), deep

    def _below_top(self, x: Tensor, skips: list[Tensor], run: "_Run") -> Tensor:
        """Everything between the first level down and the last upsampling."""
        last = len(self.down_blocks) - 1
        for level in range(last):
            x = self.down_blocks[level].downsamplers[0](x)
            skips.append(x)
            x = run.down(self.down_blocks[level + 1], x, skips, level + 1)
        x = run.middle(self.mid_block, x, last)
        for level, block in zip(reversed(range(1, last + 1)), self.up_blocks, strict=False):
            x = run.up(block, x, skips, level)
            if level > 1:
                x = block.upsamplers[0](x, skips[-1].shape[-2:])
        return x


class _Run:
    """One call on its way through the levels: hands each transformer its part of the context, in order."""

    def __init__(self, embedding: Tensor, frames: int, context: Context) -> None:
        self.embedding = embedding
        self.frames = frames
        self.context = context
        self.layer = 0
        self.position = 0

    def down(self, block: Level, x: Tensor, skips: list[Tensor], level: int) -> Tensor:
        attentions = block.transformers()
        for index, resnet in enumerate(block.resnets):
            x = resnet(x, self.embedding, self.frames)
            if attentions:
                x = self.attend(attentions[index], x, level)
            skips.append(x)
        return x

    def middle(self, block: Level, x: Tensor, level: int) -> Tensor:
        first, *rest = block.resnets
        x = first(x, self.embedding, self.frames)
        for attention, resnet in zip(block.transformers(), rest, strict=True):
            x = resnet(self.attend(attention, x, level), self.embedding, self.frames)
        return x

    def up(self, block: Level, x: Tensor, skips: list[Tensor], level: int) -> Tensor:
        attentions = block.transformers()
        for index, resnet in enumerate(block.resnets):
            x = resnet(torch.cat([x, skips.pop()], dim=1), self.embedding, self.frames)
            if attentions:
                x = self.attend(attentions[index], x, level)
        return x

    def attend(self, transformer: SpatioTemporalTransformer, x: Tensor, level: int) -> Tensor:
        depth = len(transformer.transformer_blocks)
        layers = self.context.layers[self.layer : self.layer + depth]
        positions = self.context.positions[self.position]
        self.layer += depth
        self.position += 1
        return transformer(x, layers, positions, self.context.masks[level])

    def skip_to_top(self, top: Level) -> None:
        """Pass over the context of everything below the first level."""
        transformers = top.transformers()
        self.layer = len(self.context.layers) - sum(len(t.transformer_blocks) for t in transformers)
        self.position = len(self.context.positions) - len(transformers)
