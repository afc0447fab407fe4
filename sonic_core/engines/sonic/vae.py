"""The video autoencoder of Stable Video Diffusion: portrait -> latent, latents -> frames chunk by chunk.

The network is diffusers' `AutoencoderKLTemporalDecoder`. Its decoder mixes along time inside a chunk, so two chunks
do not agree where they meet, which shows as a flash: chunks overlap here and are cross-faded in time. With an
overlap of 0 the frames are those of the release, flashes included.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from sonic_core.errors import ModelError
from sonic_core.optional_imports import broken_ones_replaced
from sonic_core.weights.read import load_into

with broken_ones_replaced():
    from diffusers import AutoencoderKLTemporalDecoder

logger = logging.getLogger(__name__)

RELEASED_CONFIG: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
    "latent_channels": 4,
    "scaling_factor": 0.18215,
}
"""Constructor settings of the SVD-XT autoencoder, for a file that comes without them."""


class VideoAutoencoder(nn.Module):
    """A thin wrapper: the encoder stays in float32 (it overflows in float16 and runs once), the decoder need not."""

    def __init__(self, network: AutoencoderKLTemporalDecoder) -> None:
        super().__init__()
        self.network = network
        self.scaling_factor = float(network.config["scaling_factor"])
        self.factor = 2 ** (len(network.config["block_out_channels"]) - 1)

    @classmethod
    def from_state(cls, config: dict[str, Any], state: dict[str, Tensor]) -> "VideoAutoencoder":
        """Build from a diffusers `config.json` and tensors under diffusers' names.

        Raises:
            ModelError: the tensors are not those of an autoencoder of this configuration.
        """
        settings = {k: v for k, v in config.items() if not k.startswith("_")}
        try:
            with torch.device("meta"):
                network = AutoencoderKLTemporalDecoder(**settings)
        except TypeError as error:
            raise ModelError(f"the VAE's config.json is not that of Stable Video Diffusion: {error}") from error
        load_into(network, state, "the VAE of Stable Video Diffusion")
        return cls(network)

    def place(self, device: torch.device, dtype: torch.dtype) -> "VideoAutoencoder":
        """Put everything on `device`, the decoder into `dtype` and the encoder into float32."""
        self.network.decoder.to(device, dtype)
        self.network.encoder.to(device, torch.float32)
        self.network.quant_conv.to(device, torch.float32)
        return self

    @torch.inference_mode()
    def encode(self, reference: Tensor) -> Tensor:
        """(1, 3, H, W) in [-1, 1] -> (4, h, w) posterior mean, unscaled."""
        weight = self.network.quant_conv.weight
        return self.network.encode(reference.to(weight)).latent_dist.mode()[0]

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """(n, 4, h, w) scaled latents of neighbouring frames -> (n, 3, H, W) float32, about [-1, 1].

        A decoder that overflows in half precision would give black frames; it is converted to float32 and stays so.
        """
        frames = self._decode(latents)
        if not torch.isfinite(frames).all() and self.dtype != torch.float32:
            logger.warning("the VAE overflowed in %s; decoding goes on in float32", self.dtype)
            self.network.decoder.float()
            frames = self._decode(latents)
        return frames

    @property
    def dtype(self) -> torch.dtype:
        """The decoder's precision."""
        return self.network.decoder.conv_in.weight.dtype

    @property
    def itemsize(self) -> int:
        """Bytes of a value while decoding."""
        return self.dtype.itemsize

    @property
    def width(self) -> int:
        """Channels of the decoder at full size."""
        return int(self.network.config["block_out_channels"][0])

    def _decode(self, latents: Tensor) -> Tensor:
        latents = latents.to(self.network.decoder.conv_in.weight) / self.scaling_factor
        return self.network.decode(latents, num_frames=len(latents)).sample.float()


DecodeChunk = Callable[[Tensor], Tensor]
"""(n, 4, h, w) latents -> (n, 3, H, W) frames."""


def decode_chunks(decode: DecodeChunk, latents: Tensor, chunk: int, overlap: int) -> Iterator[Tensor]:
    """Decode a clip in chunks that overlap in time and are cross-faded there.

    Args:
        decode: decodes neighbouring frames into a tensor that may be changed in place.
        latents: (n, 4, h, w).
        chunk: frames decoded at once.
        overlap: frames shared by neighbouring chunks, below `chunk`.

    Yields:
        (m, 3, H, W) frames, n in all.
    """
    held: Tensor | None = None
    for start in range(0, max(len(latents) - overlap, 1), chunk - overlap):
        frames = decode(latents[start : start + chunk])
        if held is not None:
            _fade_in(frames, held)
        done = len(frames) if start + chunk >= len(latents) else len(frames) - overlap
        held = frames[done:].clone() if overlap else None
        yield frames[:done]


@torch.inference_mode()
def _fade_in(frames: Tensor, held: Tensor) -> None:
    """Cross-fade in place from the frames of the chunk before to the first ones of this chunk."""
    count = len(held)
    fade = torch.arange(1, count + 1, device=frames.device)[:, None, None, None] / (count + 1)
    frames[:count] = torch.lerp(held, frames[:count], fade)


def tiled(decode: DecodeChunk, tile: int, factor: int) -> DecodeChunk:
    """Decode in square tiles of `tile` latent pixels that overlap by a quarter and are blended (approximate).

    Group norms see a tile instead of the frame, so tones may differ slightly; for pictures that do not fit whole.
    """
    overlap = tile // 4

    def run(latents: Tensor) -> Tensor:
        height, width = latents.shape[-2:]
        total = weight = None
        for top in _tile_starts(height, tile, overlap):
            for left in _tile_starts(width, tile, overlap):
                frames = decode(latents[..., top : top + tile, left : left + tile])
                if total is None or weight is None:  # where the decoder is; the latents wait in main memory
                    total = frames.new_zeros(len(latents), 3, height * factor, width * factor)
                    weight = frames.new_zeros(height * factor, width * factor)
                ramp = torch.minimum(*_ramps(frames.shape[-2:], overlap * factor, frames.device))
                rows = slice(top * factor, top * factor + frames.shape[-2])
                columns = slice(left * factor, left * factor + frames.shape[-1])
                total[..., rows, columns] += frames * ramp
                weight[rows, columns] += ramp
        assert total is not None
        return total / weight

    return run


def _tile_starts(size: int, tile: int, overlap: int) -> list[int]:
    """Starts of tiles over `size`; the last one is moved back to end with it."""
    if size <= tile:
        return [0]
    return [*range(0, size - tile, tile - overlap), size - tile]


def _ramps(size: torch.Size, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Blending weights of a tile, rising from its edges over `width` pixels: rows (h, w), columns (h, w)."""
    ramps = []
    for length in size:
        places = torch.arange(length, device=device)
        distance = torch.minimum(places, length - 1 - places) + 1
        ramps.append((distance / max(width, 1)).clamp(max=1.0))
    return ramps[0][:, None].expand(size), ramps[1][None].expand(size)
