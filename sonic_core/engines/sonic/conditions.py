"""Everything the model is given that is computed once a clip: from a framed portrait and speech to tensors.

Each network computes where its weights are; what comes out is float32 on the CPU.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from sonic_core.clip import frame_count
from sonic_core.engines.base import SPEECH_RATE, OnStep, Portrait
from sonic_core.engines.sonic.image import clip_pixels, face_mask, reference_tensor
from sonic_core.engines.sonic.unet import SonicUNet
from sonic_core.engines.sonic.vae import VideoAutoencoder
from sonic_core.speech.tokens import SAMPLES_PER_FRAME, AudioToBucket, AudioToToken, conditions
from sonic_core.video.rife import IFNet


@dataclass(frozen=True)
class Networks:
    """Everything that has weights."""

    unet: SonicUNet
    vae: VideoAutoencoder
    image_encoder: nn.Module  # transformers' CLIPVisionModelWithProjection
    speech: nn.Module  # waveform (samples,) -> features (rows, layers, width)
    tokens: AudioToToken
    buckets: AudioToBucket
    rife: IFNet | None


@dataclass(frozen=True)
class Conditions:
    """What a clip is made from; n frames at the model's rate."""

    portrait: Portrait
    seconds: float
    image_latent: Tensor  # (4, h, w) unscaled
    image_embedding: Tensor  # (d,)
    mask: Tensor  # (H, W)
    tokens: Tensor  # (n, t, d)
    silence: Tensor  # (t, d)
    buckets: Tensor  # (n, 2) head translation, expression

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}


def make_conditions(
    networks: Networks, portrait: Portrait, speech: np.ndarray, model_fps: float, on_step: OnStep
) -> Conditions:
    """Conditions of a clip as long as `speech` (samples,)."""
    seconds = len(speech) / SPEECH_RATE
    speech = padded(speech, model_frames(seconds, model_fps))
    embedding = embed_image(networks, clip_pixels(portrait.image, image_side(networks)))
    on_step(1, 3, None)
    latent = networks.vae.encode(reference_tensor(portrait.image)).float().cpu()
    on_step(2, 3, None)
    tokens, buckets = embed_speech(networks, speech, embedding)
    on_step(3, 3, None)
    left, top, right, bottom = (int(value) for value in portrait.face.box)
    height, width = portrait.image.shape[:2]
    return Conditions(
        portrait=portrait,
        seconds=seconds,
        image_latent=latent,
        image_embedding=embedding,
        mask=face_mask((left, top, right, bottom), (width, height)),
        tokens=tokens,
        silence=silence(networks),
        buckets=buckets,
    )


def model_frames(seconds: float, model_fps: float) -> int:
    """Frames to sample for a clip of any output rate; the last one is held until the clip ends."""
    return frame_count(seconds, model_fps)


def padded(speech: np.ndarray, frames: int) -> np.ndarray:
    """Speech (samples,) with silence after it, long enough for `frames` frames of the model."""
    return np.pad(speech, (0, max(0, frames * SAMPLES_PER_FRAME - len(speech))))


def image_side(networks: Networks) -> int:
    """Side of the square picture the image encoder takes."""
    return int(networks.image_encoder.config.image_size)  # type: ignore[union-attr, arg-type]


@torch.inference_mode()
def embed_image(networks: Networks, pixels: Tensor) -> Tensor:
    """CLIP pixels (1, 3, s, s) -> embedding (d,)."""
    weight = next(networks.image_encoder.parameters())
    return networks.image_encoder(pixels.to(weight)).image_embeds[0].float().cpu()


@torch.inference_mode()
def embed_speech(networks: Networks, speech: np.ndarray, embedding: Tensor) -> tuple[Tensor, Tensor]:
    """Speech (samples,) at 16 kHz and the image embedding (d,) -> tokens (n, t, d), buckets (n, 2)."""
    weight = networks.tokens.proj1.weight
    features = networks.speech(speech).to(weight)
    tokens, buckets = conditions(features, len(speech), networks.tokens, networks.buckets, embedding.to(weight))
    return tokens.float().cpu(), buckets.float().cpu()


@torch.inference_mode()
def silence(networks: Networks) -> Tensor:
    """The unconditional tokens (t, d)."""
    return networks.tokens.silence().float().cpu()
