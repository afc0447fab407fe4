"""From model files to networks: which file makes which network, with what sizes, on what device and in what dtype.

Sizes come from `config.json` if the folder has one, or from the shapes of the tensors where these determine them, and
are those of the release otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sonic_core.engines.sonic.conditions import Networks
from sonic_core.engines.sonic.config import SonicConfig, UNetConfig, read_config
from sonic_core.engines.sonic.unet import SonicUNet
from sonic_core.engines.sonic.vae import RELEASED_CONFIG, VideoAutoencoder
from sonic_core.errors import ModelError
from sonic_core.optional_imports import broken_ones_replaced
from sonic_core.speech.hubert import SpeechEncoder
from sonic_core.speech.tokens import AudioToBucket, AudioToToken, check_widths
from sonic_core.speech.whisper import WhisperFeatures
from sonic_core.video.rife import IFNet
from sonic_core.weights.folder import SPEECH_FOLDERS, SVD_FILES, FoundFiles, find_files
from sonic_core.weights.json_file import read_json
from sonic_core.weights.parts import read_part_weights
from sonic_core.weights.read import load_into, read_tensors
from sonic_core.weights.svd_file import current_vae_names, read_image_encoder, read_vae, rename_vae

with broken_ones_replaced():
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

RELEASED_IMAGE_ENCODER: dict[str, Any] = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 224,
    "projection_dim": 1024,
    "hidden_act": "gelu",
}
"""CLIP ViT-H/14 of Stable Video Diffusion, for a file that comes without its settings."""


@dataclass(frozen=True)
class SvdParts:
    """Parts of Stable Video Diffusion that a host has loaded already, taken instead of those in files.

    `vae` has the names of the single file without their prefix, `image_encoder` those of transformers.
    """

    vae: Mapping[str, Tensor] | None = None
    image_encoder: Mapping[str, Tensor] | None = None


def read_networks(
    folder: Path, svd: Path | None, device: torch.device, dtype: torch.dtype, given: SvdParts | None = None
) -> tuple[Networks, SonicConfig]:
    """Read a model folder.

    Raises:
        ModelError: a file is missing, damaged or does not fit; the text names it and the folder where it belongs.
    """
    found = find_files(folder, svd)
    config = read_config(found.config) if found.config is not None else SonicConfig()
    paths = found.required_networks(str(folder))
    speech_name = SPEECH_FOLDERS[found.audio_encoder]
    speech_path = found.required(f"{speech_name}/config.json", found.speech, str(folder / speech_name))

    # The small networks compute in float32, whatever their files hold; a file may even mix precisions.
    small = {"device": device, "dtype": torch.float32}
    tokens = AudioToToken.from_state(read_tensors(paths["audio2token.pth"], "proj1.weight")).to(**small)
    buckets = AudioToBucket.from_state(read_tensors(paths["audio2bucket.pth"], "proj1.weight")).to(**small)
    speech = speech_features(found, speech_path).to(**small)
    vae, image_encoder = read_svd(found, given or SvdParts())
    check_widths(tokens, buckets, speech.layers, speech.width, image_encoder.config.projection_dim)
    unet = unet_from_state(config.unet, _placed(read_tensors(paths["unet.pth"], "conv_in.weight"), device, dtype))
    if tokens.tokens != config.unet.audio_tokens or tokens.width != config.unet.cross_attention_dim:
        raise ModelError(
            f"audio2token.pth makes {tokens.tokens} tokens of {tokens.width} values, unet.pth takes "
            f"{config.unet.audio_tokens} of {config.unet.cross_attention_dim}; take both from one release"
        )
    rife = IFNet.from_state(read_tensors(found.rife)).to(**small) if found.rife is not None else None
    networks = Networks(
        unet=unet,
        vae=vae.place(device, dtype),
        image_encoder=image_encoder.to(device, dtype),
        speech=speech,
        tokens=tokens,
        buckets=buckets,
        rife=rife,
    )
    return networks, config


def unet_from_state(config: UNetConfig, state: dict[str, Tensor]) -> SonicUNet:
    """Build the UNet from its tensors, which are not copied."""
    with torch.device("meta"):
        unet = SonicUNet(config)
    load_into(unet, state, "unet.pth")
    return unet


def image_encoder_from_state(config: dict[str, Any], state: dict[str, Tensor]) -> CLIPVisionModelWithProjection:
    """Build the CLIP image encoder from its tensors, which are not copied."""
    with torch.device("meta"):
        network = CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(config))
    state = {name: value for name, value in state.items() if not name.endswith("position_ids")}
    load_into(network, state, "the image encoder of Stable Video Diffusion")
    for name, buffer in list(network.named_buffers()):
        if buffer.is_meta:  # position_ids: computed, and not stored in files
            owner, _, leaf = name.rpartition(".")
            network.get_submodule(owner).register_buffer(
                leaf, torch.arange(buffer.shape[-1]).expand(buffer.shape), persistent=False
            )
    return network


def read_svd(found: FoundFiles, given: SvdParts) -> tuple[VideoAutoencoder, CLIPVisionModelWithProjection]:
    """The VAE and the image encoder: given, or from a diffusers folder or the single file."""
    path = found.svd
    if path is None and (given.vae is None or given.image_encoder is None):
        place = f"{found.folder} or models/checkpoints"
        path = found.required(f"{SVD_FILES} (or a diffusers SVD folder)", None, place)
    if given.vae is not None:
        vae = VideoAutoencoder.from_state(RELEASED_CONFIG, rename_vae(given.vae))
    elif path is not None and path.is_file():
        vae = VideoAutoencoder.from_state(RELEASED_CONFIG, read_vae(path))
    else:
        assert path is not None
        config, state = read_part(path / "vae")
        vae = VideoAutoencoder.from_state(config, current_vae_names(state))
    if given.image_encoder is not None:
        return vae, image_encoder_from_state(RELEASED_IMAGE_ENCODER, dict(given.image_encoder))
    assert path is not None
    if path.is_file():
        return vae, image_encoder_from_state(RELEASED_IMAGE_ENCODER, read_image_encoder(path))
    return vae, image_encoder_from_state(*read_part(path / "image_encoder"))


def read_part(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """`config.json` and the weights of a diffusers or transformers folder; float16 files do as well."""
    return read_json(folder / "config.json"), read_part_weights(folder)


class HubertFeatures(nn.Module):
    """All hidden states of HuBERT as the token networks take them."""

    def __init__(self, encoder: SpeechEncoder) -> None:
        super().__init__()
        self.encoder, self.model = encoder, encoder.model
        self.layers, self.width = encoder.layers, encoder.width

    def forward(self, speech: np.ndarray) -> Tensor:
        """(samples,) float32 at 16 kHz -> (rows, layers, width), a row for every hop that begins in the speech."""
        reach = self.encoder.receptive_field - self.encoder.hop
        return self.encoder.features(np.pad(speech, (0, reach)), all_layers=True)


def speech_features(found: FoundFiles, folder: Path) -> WhisperFeatures | HubertFeatures:
    """The speech encoder the bundle names."""
    if found.audio_encoder == "hubert":
        return HubertFeatures(SpeechEncoder.from_folder(folder))
    return WhisperFeatures.from_state(*read_part(folder))


def _placed(state: dict[str, Tensor], device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
    """Move the tensors to their device one by one, so that there is never a second copy of all of them."""
    return {name: laid_out(state.pop(name).to(device, dtype)) for name in list(state)}


def laid_out(weight: Tensor) -> Tensor:
    """A convolution's weight in channels-last memory, like the feature maps; on a CPU it stays mapped from its file."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    if weight.device.type == "cpu" or weight.ndim not in formats:
        return weight
    return weight.contiguous(memory_format=formats[weight.ndim])
