"""A Sonic model folder in the released layout with tiny random weights: makes a video on a CPU in a second or two.

folder = write_model_folder(tmp_path / "sonic")
pipe = SonicPipeline.from_pretrained(folder, device="cpu")
"""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLTemporalDecoder
from safetensors.torch import save_file
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    HubertConfig,
    HubertModel,
    WhisperConfig,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from sonic_core.engines.sonic.config import UNetConfig
from sonic_core.engines.sonic.unet import SonicUNet
from sonic_core.speech.tokens import BUCKET_WINDOW, TOKEN_WINDOW, AudioToBucket, AudioToToken
from sonic_core.video.rife import IFNet

CONTEXT, TOKENS, SPEECH_WIDTH, SPEECH_LAYERS = 16, 3, 16, 2

CONFIG: dict[str, Any] = {
    "unet": {
        # Three levels: at a single pixel with few channels a group norm turns rounding into signs.
        "block_out_channels": [32, 64, 64],
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 24,
        "layers_per_block": 1,
        "cross_attention_dim": CONTEXT,
        "num_attention_heads": [1, 2, 2],
        "audio_tokens": TOKENS,
    },
    "sampler": {"frames_per_window": 6, "shift_offset": 2},
}

VAE_CONFIG: dict[str, Any] = {
    "block_out_channels": [32, 32, 32, 32],
    "layers_per_block": 1,
    "latent_channels": 4,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "scaling_factor": 0.18215,
}

IMAGE_ENCODER_CONFIG: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "projection_dim": CONTEXT,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "image_size": 32,
    "patch_size": 16,
}

SPEECH_CONFIG: dict[str, Any] = {
    "d_model": SPEECH_WIDTH,
    "encoder_layers": SPEECH_LAYERS - 1,
    "encoder_attention_heads": 1,
    "encoder_ffn_dim": 16,
    "num_mel_bins": 80,
}


HUBERT_CONFIG: dict[str, Any] = {
    "hidden_size": SPEECH_WIDTH,
    "num_hidden_layers": SPEECH_LAYERS - 1,
    "num_attention_heads": 1,
    "intermediate_size": 16,
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}


def unet_config() -> UNetConfig:
    section = {k: tuple(v) if isinstance(v, list) else v for k, v in CONFIG["unet"].items()}
    return UNetConfig(**section)


def write_model_folder(folder: Path, rife: bool = True, seed: int = 0, audio_encoder: str = "whisper") -> Path:
    """Write a model folder with everything in it; the SVD parts lie in `svd/` as a diffusers folder."""
    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    save_pth(SonicUNet(unet_config()), folder / "unet.pth")
    save_pth(AudioToToken(TOKEN_WINDOW * SPEECH_LAYERS * SPEECH_WIDTH, 16, TOKENS, CONTEXT), folder / "audio2token.pth")
    save_pth(AudioToBucket(BUCKET_WINDOW * SPEECH_WIDTH + CONTEXT, 16, 2), folder / "audio2bucket.pth")
    if audio_encoder == "whisper":
        whisper = WhisperEncoder(WhisperConfig(**SPEECH_CONFIG)).state_dict()
        write_part(
            folder / "whisper-tiny", "model", SPEECH_CONFIG, {f"model.encoder.{k}": v for k, v in whisper.items()}
        )
    else:
        (folder / "bundle.json").write_text(json.dumps({"audio_encoder": audio_encoder}))
        write_part(folder / "hubert", "model", HUBERT_CONFIG, HubertModel(HubertConfig(**HUBERT_CONFIG)).state_dict())
    if rife:
        (folder / "RIFE").mkdir(exist_ok=True)
        state = {f"module.{k}": v for k, v in IFNet(8, 4).state_dict().items()}
        torch.save(state, folder / "RIFE" / "flownet.pkl")
    write_svd_folder(folder / "svd")
    return folder


def write_svd_folder(folder: Path) -> Path:
    """Write the VAE and the image encoder in diffusers' layout."""
    vae = AutoencoderKLTemporalDecoder(**VAE_CONFIG)
    write_part(folder / "vae", "diffusion_pytorch_model", VAE_CONFIG, vae.state_dict())
    clip = CLIPVisionModelWithProjection(CLIPVisionConfig(**IMAGE_ENCODER_CONFIG))
    write_part(folder / "image_encoder", "model", IMAGE_ENCODER_CONFIG, clip.state_dict())
    return folder


def write_part(folder: Path, stem: str, config: dict[str, Any], state: dict[str, torch.Tensor]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file({k: v.contiguous() for k, v in state.items()}, folder / f"{stem}.safetensors")


def save_pth(network: torch.nn.Module, path: Path) -> None:
    torch.save(network.state_dict(), path)
