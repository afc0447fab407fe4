"""What the UNet is conditioned on, computed as rarely as it changes.

Once a clip: the image value of every cross-attention, keys and values of the clip's audio tokens and of silence, the
face mask at every feature size, the embedding of frame positions. Once a window: the temporal blocks' keys and
values, which come from the mean of the window's tokens. Nothing is repeated over pixels.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sonic_core.engines.sonic.attention import CrossAttention
from sonic_core.engines.sonic.unet import Context, LayerContext, SonicUNet

UNCONDITIONED, IMAGE, AUDIO = 0, 1, 2
"""The branches of guidance: nothing, the image, the image and the audio."""


@dataclass(frozen=True)
class Tokens:
    """What the context is made of."""

    image: Tensor  # (d,) CLIP embedding
    audio: Tensor  # (n, t, d) one set a frame
    silence: Tensor  # (t, d) unconditional set
    mask: Tensor  # (H, W) face mask in [0, 1]


class ClipContext:
    """The context of one clip for one UNet, on its device and in its dtype.

    `keep_bytes` caps what is kept of the audio keys and values, which grow with the clip: beyond that they are
    projected again for each window, with the same result.
    """

    def __init__(
        self, unet: SonicUNet, tokens: Tokens, latent_size: tuple[int, int], window: int, keep_bytes: int
    ) -> None:
        weight = unet.conv_in.weight
        self._spatial = [b.attn2 for t in unet.transformers() for b in t.transformer_blocks]
        self._temporal = [b.attn2 for t in unet.transformers() for b in t.temporal_transformer_blocks]
        self._audio = tokens.audio.to(weight)
        silence = tokens.silence.to(weight)[None]
        image = tokens.image.to(weight)[None, None]
        self._images = [layer.image_value(image) for layer in self._spatial]
        self._time_images = [layer.image_value(image) for layer in self._temporal]
        self._silence = [layer.audio_keys_values(silence) for layer in self._spatial]
        self._time_silence = [layer.audio_keys_values(silence) for layer in self._temporal]
        self._kept: list[tuple[Tensor, Tensor]] | None = None
        if keys_values_bytes(unet, len(self._audio)) <= keep_bytes:
            self._kept = [layer.audio_keys_values(self._audio) for layer in self._spatial]
        self._positions = tuple(t.embed_positions(window) for t in unet.transformers())
        self._masks = level_masks(tokens.mask.to(weight.device), latent_size, len(unet.down_blocks), weight.dtype)

    def of_windows(self, frames: Tensor, branches: tuple[int, ...]) -> Context:
        """The context of windows (w, f) of frame indices, all windows of a branch together, branch after branch."""
        frames = frames.to(self._audio.device)
        means = self._audio[frames].mean(dim=1)  # (w, t, d)
        layers = []
        for index in range(len(self._spatial)):
            keys, values = self._audio_keys_values(index, frames)
            silent_keys, silent_values = self._silence[index]
            time_keys, time_values = self._temporal[index].audio_keys_values(means)
            silent_time_keys, silent_time_values = self._time_silence[index]
            image, time_image = self._images[index], self._time_images[index]
            layers.append(
                LayerContext(
                    image=_by_branch(branches, frames.numel(), torch.zeros_like(image), image, image),
                    keys=_by_branch(branches, frames.numel(), silent_keys, silent_keys, keys),
                    values=_by_branch(branches, frames.numel(), silent_values, silent_values, values),
                    time_image=_by_branch(branches, len(frames), torch.zeros_like(time_image), time_image, time_image),
                    time_keys=_by_branch(branches, len(frames), silent_time_keys, silent_time_keys, time_keys),
                    time_values=_by_branch(branches, len(frames), silent_time_values, silent_time_values, time_values),
                )
            )
        return Context(tuple(layers), self._positions, self._masks)

    def _audio_keys_values(self, index: int, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Spatial keys and values of the frames: (w * f, t, c) each."""
        flat = frames.flatten()
        if self._kept is not None:
            keys, values = self._kept[index]
            return keys[flat], values[flat]
        layer: CrossAttention = self._spatial[index]
        return layer.audio_keys_values(self._audio[flat])


def keys_values_bytes(unet: SonicUNet, frames: int) -> int:
    """Bytes of the audio keys and values of `frames` frames in the spatial blocks."""
    weight = unet.conv_in.weight
    channels = sum(len(t.transformer_blocks) * t.proj_in.out_features for t in unet.transformers())
    return 2 * frames * unet.config.audio_tokens * channels * weight.element_size()


def level_masks(mask: Tensor, latent_size: tuple[int, int], levels: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Resize a mask (H, W) to the feature map of each level, bicubically: (1, h * w, 1) each."""
    height, width = latent_size
    masks = []
    for _ in range(levels):
        resized = F.interpolate(mask[None, None].float(), size=(height, width), mode="bicubic")
        masks.append(resized.flatten()[None, :, None].to(dtype))
        height, width = -(-height // 2), -(-width // 2)
    return tuple(masks)


def _by_branch(branches: tuple[int, ...], size: int, *choices: Tensor) -> Tensor:
    """Concatenate the choice of each branch, expanded to `size` rows: (len(branches) * size, ...)."""
    return torch.cat([choices[branch].expand(size, -1, -1) for branch in branches])
