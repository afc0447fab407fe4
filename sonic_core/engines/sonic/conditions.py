"""Everything the model is conditioned on, computed once a clip: from a framed portrait and speech to tensors.

Each network computes where its weights are; results are float32 on the CPU.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from sonic_core.engines.base import SPEECH_RATE
from sonic_core.engines.sonic.image import clip_pixels, face_mask, reference_tensor
from sonic_core.engines.sonic.unet import SonicUNet
from sonic_core.engines.sonic.vae import VideoAutoencoder
from sonic_core.errors import InputError
from sonic_core.face.framing import Portrait
from sonic_core.progress import OnStep
from sonic_core.speech.tokens import AudioToBucket, AudioToToken, conditions
from sonic_core.video.rife import IFNet

SHORTEST_SECONDS = 0.1
"""One frame of the model takes 0.08 s of speech."""


@dataclass(frozen=True)
class Networks:
    """All networks of the model."""

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


def make_conditions(networks: Networks, portrait: Portrait, speech: np.ndarray, on_step: OnStep) -> Conditions:
    """Conditions of a clip as long as `speech` (samples,).

    Raises:
        InputError: the speech is shorter than `SHORTEST_SECONDS`.
    """
    seconds = len(speech) / SPEECH_RATE
    check_length(seconds)
    embedding = embed_image(networks, clip_pixels(portrait.image, image_side(networks)))
    on_step(1, 3, None)
    latent = networks.vae.encode(reference_tensor(portrait.image)).float().cpu()
    on_step(2, 3, None)
    tokens, buckets = embed_speech(networks, speech, embedding)
    on_step(3, 3, None)
    return Conditions(
        portrait=portrait,
        seconds=seconds,
        image_latent=latent,
        image_embedding=embedding,
        mask=portrait_mask(portrait),
        tokens=tokens,
        silence=silence(networks),
        buckets=buckets,
    )


def check_length(seconds: float) -> None:
    """Raise InputError for speech too short to make a frame of."""
    if seconds < SHORTEST_SECONDS:
        raise InputError(
            f"the audio lasts {seconds:.3g} s; the Sonic model needs at least {SHORTEST_SECONDS} s, give a longer one"
        )


def portrait_mask(portrait: Portrait) -> Tensor:
    """Where audio may move the portrait: (h, w) in [0, 1]."""
    height, width = portrait.image.shape[:2]
    if portrait.view is not None:
        return face_mask(portrait.view.face_box, portrait.view.size, (width, height))
    left, top, right, bottom = (int(value) for value in portrait.face.box)
    return face_mask((left, top, right, bottom), (width, height), (width, height))


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
