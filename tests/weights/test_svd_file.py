"""The single SVD file under its original names, built here from the structure of Stability's code."""

import pytest
import torch
from diffusers import AutoencoderKLTemporalDecoder
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from sonic_core.engines.sonic.checkpoint import image_encoder_from_state
from sonic_core.engines.sonic.vae import VideoAutoencoder
from sonic_core.errors import ModelError
from sonic_core.weights.svd_file import CLIP_PREFIX, VAE_PREFIX, read_image_encoder, read_vae, rename_vae

LEVELS, LAYERS = 3, 2
VAE_CONFIG = {
    "block_out_channels": [32, 32, 64],
    "layers_per_block": LAYERS,
    "latent_channels": 4,
    "down_block_types": ["DownEncoderBlock2D"] * LEVELS,
    "scaling_factor": 0.18215,
}
CLIP_CONFIG = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "projection_dim": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
}
BOTH = ("weight", "bias")


def vae_names() -> dict[str, str]:
    """Original name -> diffusers name, written out block by block."""
    names = {}

    def add(old: str, new: str, parts=BOTH) -> None:
        names.update({f"{old}.{part}": f"{new}.{part}" for part in parts})

    def block(old: str, new: str) -> None:
        for part in ("norm1", "conv1", "norm2", "conv2"):
            add(f"{old}.{part}", f"{new}.{part}")
        add(f"{old}.nin_shortcut", f"{new}.conv_shortcut")

    def video_block(old: str, new: str) -> None:
        block(old, f"{new}.spatial_res_block")
        parts = {"in_layers.0": "norm1", "in_layers.2": "conv1", "out_layers.0": "norm2", "out_layers.3": "conv2"}
        for theirs, ours in parts.items():
            add(f"{old}.time_stack.{theirs}", f"{new}.temporal_res_block.{ours}")
        names[f"{old}.mix_factor"] = f"{new}.time_mixer.mix_factor"

    for side, make in (("encoder", block), ("decoder", video_block)):
        add(f"{side}.conv_in", f"{side}.conv_in")
        add(f"{side}.conv_out", f"{side}.conv_out")
        add(f"{side}.norm_out", f"{side}.conv_norm_out")
        for index in (1, 2):
            make(f"{side}.mid.block_{index}", f"{side}.mid_block.resnets.{index - 1}")
        attention = f"{side}.mid_block.attentions.0"
        add(f"{side}.mid.attn_1.norm", f"{attention}.group_norm")
        add(f"{side}.mid.attn_1.q", f"{attention}.to_q")
        add(f"{side}.mid.attn_1.k", f"{attention}.to_k")
        add(f"{side}.mid.attn_1.v", f"{attention}.to_v")
        add(f"{side}.mid.attn_1.proj_out", f"{attention}.to_out.0")
    for level in range(LEVELS):
        for index in range(LAYERS):
            block(f"encoder.down.{level}.block.{index}", f"encoder.down_blocks.{level}.resnets.{index}")
        add(f"encoder.down.{level}.downsample.conv", f"encoder.down_blocks.{level}.downsamplers.0.conv")
        for index in range(LAYERS + 1):
            video_block(f"decoder.up.{level}.block.{index}", f"decoder.up_blocks.{LEVELS - 1 - level}.resnets.{index}")
        add(f"decoder.up.{level}.upsample.conv", f"decoder.up_blocks.{LEVELS - 1 - level}.upsamplers.0.conv")
    add("decoder.conv_out.time_mix_conv", "decoder.time_conv_out")
    add("quant_conv", "quant_conv")
    return names


def original_vae(vae: AutoencoderKLTemporalDecoder) -> dict[str, torch.Tensor]:
    state = vae.state_dict()
    original = {old: state[new] for old, new in vae_names().items() if new in state}
    assert len(original) == len(state)
    for name, value in original.items():
        if ".attn_1." in name and value.ndim == 2:
            original[name] = value[:, :, None, None]
    return original


def original_clip(clip: CLIPVisionModelWithProjection) -> dict[str, torch.Tensor]:
    state = clip.state_dict()
    vision = "vision_model."
    original = {
        "class_embedding": state[vision + "embeddings.class_embedding"],
        "positional_embedding": state[vision + "embeddings.position_embedding.weight"],
        "conv1.weight": state[vision + "embeddings.patch_embedding.weight"],
        "proj": state["visual_projection.weight"].T,
    }
    for part in BOTH:
        original[f"ln_pre.{part}"] = state[f"{vision}pre_layrnorm.{part}"]
        original[f"ln_post.{part}"] = state[f"{vision}post_layernorm.{part}"]
        for layer in range(CLIP_CONFIG["num_hidden_layers"]):
            old, new = f"transformer.resblocks.{layer}", f"{vision}encoder.layers.{layer}"
            joint = [state[f"{new}.self_attn.{name}_proj.{part}"] for name in "qkv"]
            original[f"{old}.attn.in_proj_{part}"] = torch.cat(joint)
            original[f"{old}.attn.out_proj.{part}"] = state[f"{new}.self_attn.out_proj.{part}"]
            original[f"{old}.ln_1.{part}"] = state[f"{new}.layer_norm1.{part}"]
            original[f"{old}.ln_2.{part}"] = state[f"{new}.layer_norm2.{part}"]
            original[f"{old}.mlp.c_fc.{part}"] = state[f"{new}.mlp.fc1.{part}"]
            original[f"{old}.mlp.c_proj.{part}"] = state[f"{new}.mlp.fc2.{part}"]
    return original


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    return (
        AutoencoderKLTemporalDecoder(**VAE_CONFIG).eval(),
        CLIPVisionModelWithProjection(CLIPVisionConfig(**CLIP_CONFIG)).eval(),
    )


@pytest.fixture(scope="module")
def svd_file(networks, tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoints") / "svd_xt.safetensors"
    vae, clip = networks
    state = {VAE_PREFIX + k: v for k, v in original_vae(vae).items()}
    state |= {CLIP_PREFIX + k: v for k, v in original_clip(clip).items()}
    state["model.diffusion_model.out.2.weight"] = torch.zeros(1)
    save_file({k: v.contiguous().clone() for k, v in state.items()}, path)
    return path


def test_the_vae_comes_back_whole(networks, svd_file):
    state = read_vae(svd_file)
    expected = networks[0].state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert VideoAutoencoder.from_state(VAE_CONFIG, state).factor == 4


def test_a_vae_whose_encoder_ends_without_it_gets_a_last_step_that_does_nothing(networks):
    """ComfyUI's own network of this VAE has no `quant_conv`: the convolution before it holds it."""
    original = {name: value for name, value in original_vae(networks[0]).items() if not name.startswith("quant_conv")}
    network = VideoAutoencoder.from_state(VAE_CONFIG, rename_vae(original)).network
    moments = torch.randn(1, network.quant_conv.in_channels, 2, 2)
    with torch.no_grad():
        assert torch.equal(network.quant_conv(moments), moments)


def test_the_image_encoder_comes_back_whole(networks, svd_file):
    network = image_encoder_from_state(CLIP_CONFIG, read_image_encoder(svd_file))
    pixels = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(pixels).image_embeds, networks[1](pixels).image_embeds)


def test_only_the_needed_tensors_are_read(svd_file, monkeypatch):
    from sonic_core.weights import svd_file as module

    read = []
    real = module.read_some
    monkeypatch.setattr(module, "read_some", lambda path, names: read.extend(names) or real(path, names))
    read_vae(svd_file)
    read_image_encoder(svd_file)
    assert not any(name.startswith("model.diffusion_model.") for name in read)


def test_another_checkpoint_is_named(tmp_path):
    path = tmp_path / "svd_xt_wrong.safetensors"
    save_file({"model.diffusion_model.out.2.weight": torch.zeros(1)}, path)
    for read in (read_vae, read_image_encoder):
        with pytest.raises(ModelError, match="svd_xt_wrong"):
            read(path)
