# ruff: noqa: E402  (ComfyUI must be found, and told its options, before it is imported)
"""Run with ComfyUI's interpreter in its folder: core's own VAE and CLIP vision classes, small and random, against ours.

    python core_parts.py REPOSITORY

What Sonic: Load Model takes from core loaders must make the same networks here. Prints one line of figures as JSON.
"""

import json
import sys

sys.path[:0] = [".", sys.argv[1]]
sys.argv[1:] = ["--cpu"]

import comfy.options

comfy.options.enable_args_parsing()

import comfy.clip_model
import comfy.ops
import torch
from comfy.ldm.models.autoencoder import AutoencodingEngine
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from sonic_core.engines.sonic.checkpoint import RELEASED_IMAGE_ENCODER, image_encoder_from_state
from sonic_core.engines.sonic.vae import RELEASED_CONFIG, VideoAutoencoder
from sonic_core.weights.svd_file import rename_vae

SMALL_CLIP = RELEASED_IMAGE_ENCODER | {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "projection_dim": 16,
    "image_size": 56,
}


def core_vae(channels: int) -> torch.nn.Module:
    """As core's VAE loader builds it for Stable Video Diffusion, where `channels` is 128."""
    encoder = {
        "double_z": True, "z_channels": 4, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": channels,
        "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0,
    }  # fmt: skip
    model = "comfy.ldm.modules"
    return AutoencodingEngine(
        regularizer_config={"target": "comfy.ldm.models.autoencoder.DiagonalGaussianRegularizer"},
        encoder_config={"target": f"{model}.diffusionmodules.model.Encoder", "params": encoder},
        decoder_config={
            "target": f"{model}.temporal_ae.VideoDecoder",
            "params": encoder | {"video_kernel_size": [3, 1, 1], "alpha": 0.0},
        },
    )


def filled(network: torch.nn.Module) -> torch.nn.Module:
    """Core leaves weights uninitialised."""
    generator = torch.Generator().manual_seed(0)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)
    return network.eval()


def shapes(network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


@torch.no_grad()
def main() -> None:
    figures = {}
    core = filled(core_vae(32))
    small = RELEASED_CONFIG | {"block_out_channels": [32, 64, 128, 128]}
    ours = VideoAutoencoder.from_state(small, rename_vae(core.state_dict()))
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    moments = core.encoder(picture)
    figures["vae encoder"] = float((ours.network.quant_conv(ours.network.encoder(picture)) - moments).abs().max())
    figures["vae encoder size"] = float(moments.abs().max())
    latents = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    frames = core.decoder(latents)
    made = ours.network.decoder(latents, num_frames=3, image_only_indicator=torch.zeros(1, 3))
    figures["vae decoder"] = float((made - frames).abs().max())
    figures["vae decoder size"] = float(frames.abs().max())

    with torch.device("meta"):
        released = core_vae(128)
        renamed = {name: tuple(tensor.shape) for name, tensor in rename_vae(released.state_dict()).items()}
        whole = VideoAutoencoder.from_state(RELEASED_CONFIG, rename_vae(released.state_dict()))
    figures["vae names that differ"] = len(renamed.items() ^ shapes(whole.network).items())

    config = RELEASED_IMAGE_ENCODER | {"model_type": "clip_vision_model", "num_channels": 3}
    with torch.device("meta"):
        clip = comfy.clip_model.CLIPVisionModelProjection(config, torch.float32, "meta", comfy.ops.manual_cast)
        ours_clip = CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(RELEASED_IMAGE_ENCODER))
    given = {k: v for k, v in shapes(clip).items() if not k.endswith("position_ids")}
    wanted = {k: v for k, v in shapes(ours_clip).items() if not k.endswith("position_ids")}
    figures["clip names that differ"] = len(given.items() ^ wanted.items())
    clip = filled(
        comfy.clip_model.CLIPVisionModelProjection(
            SMALL_CLIP | {"model_type": "clip_vision_model", "num_channels": 3},
            torch.float32,
            "cpu",
            comfy.ops.manual_cast,
        )
    )
    ours_clip = image_encoder_from_state(SMALL_CLIP, dict(clip.state_dict())).eval()
    pixels = torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(3))
    embeds = clip(pixel_values=pixels, intermediate_output=-2)[2]
    figures["clip"] = float((ours_clip(pixel_values=pixels).image_embeds - embeds).abs().max())
    figures["clip size"] = float(embeds.abs().max())
    sys.stdout.write(json.dumps(figures) + "\n")


main()
