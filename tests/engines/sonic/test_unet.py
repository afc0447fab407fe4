"""The UNet gives the numbers of the plain way of computing it, in every way it may be cut."""

import copy

import pytest
import torch

from benchmarks.plain_unet import plain
from sonic_core.engines.sonic import attention
from sonic_core.engines.sonic.attention import FeedForward, SelfAttention, attend
from sonic_core.engines.sonic.config import UNetConfig
from sonic_core.engines.sonic.context import ClipContext, Tokens, keys_values_bytes, level_masks
from sonic_core.engines.sonic.unet import SonicUNet

from .tiny import unet_config

FRAMES, SIDE, CLIP = 5, 8, 7
BRANCHES = (0, 1, 2)


@pytest.fixture(scope="module")
def unet() -> SonicUNet:
    torch.manual_seed(0)
    unet = SonicUNet(unet_config()).eval().requires_grad_(False)
    for name, parameter in unet.named_parameters():  # zero-mean biases and mixes hide mistakes
        if name.endswith(("bias", "mix_factor")):
            parameter.normal_(0, 0.3)
    return unet


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    generator = torch.Generator().manual_seed(1)
    config = unet_config()
    shape = (config.audio_tokens, config.cross_attention_dim)
    mask = torch.zeros(64, 64)
    mask[10:40, 5:50] = 1
    return Tokens(
        torch.randn(shape[1], generator=generator),
        torch.randn(CLIP, *shape, generator=generator),
        torch.randn(*shape, generator=generator),
        mask,
    )


def inputs(config: UNetConfig, rows: int):
    generator = torch.Generator().manual_seed(2)
    latents = torch.randn(rows, FRAMES, config.in_channels, SIDE, SIDE, generator=generator)
    return latents, torch.tensor([0.7]), torch.tensor([[12.5, 17.0, 20.0]]).repeat(rows, 1)


def context(unet, tokens, frames, branches=BRANCHES, keep_bytes=2**30):
    return ClipContext(unet, tokens, (SIDE, SIDE), FRAMES, keep_bytes).of_windows(frames, branches)


def test_equals_the_plain_way(unet, tokens):
    frames = torch.tensor([[5, 6, 0, 1, 2]])
    image = tokens.image.repeat(3, FRAMES, 1, 1)
    image[0] = 0
    silence = tokens.silence.expand(FRAMES, -1, -1)
    audio = torch.stack([silence, silence, tokens.audio[frames[0]]])
    args = inputs(unet.config, 3)
    expected = plain(unet).call(*args, image, audio, tokens.mask)
    torch.testing.assert_close(unet(*args, context(unet, tokens, frames)), expected, rtol=1e-4, atol=1e-5)


def test_keeping_no_keys_gives_the_same_context(unet, tokens):
    frames = torch.tensor([[0, 1, 2, 3, 4], [5, 6, 0, 1, 2]])
    kept, made = (context(unet, tokens, frames, keep_bytes=size) for size in (2**30, 0))
    torch.testing.assert_close(kept, made)


def test_windows_in_one_call_do_not_see_each_other(unet, tokens):
    frames = torch.tensor([[0, 1, 2, 3, 4], [5, 6, 0, 1, 2]])
    latents, timestep, scalars = inputs(unet.config, 6)
    together = unet(latents, timestep, scalars, context(unet, tokens, frames))
    for window in (0, 1):
        rows = [window, window + 2, window + 4]
        alone = unet(latents[rows], timestep, scalars[rows], context(unet, tokens, frames[[window]]))
        torch.testing.assert_close(together[rows], alone, rtol=1e-4, atol=1e-5)


def test_fresh_deep_features_change_nothing(unet, tokens):
    frames = torch.arange(FRAMES)[None]
    args = (*inputs(unet.config, 3), context(unet, tokens, frames))
    whole, deep = unet.forward_cached(*args, None)
    again, _ = unet.forward_cached(*args, deep)
    torch.testing.assert_close(again, whole)
    assert not torch.allclose(unet.forward_cached(*args, deep + 1)[0], whole)


def test_the_mask_keeps_audio_inside_the_face_only_in_spatial_blocks(unet, tokens):
    """With an empty mask the audio still arrives, through the temporal blocks."""
    frames = torch.arange(FRAMES)[None]
    args = inputs(unet.config, 1)
    results = []
    for mask in (tokens.mask, torch.zeros_like(tokens.mask)):
        changed = Tokens(tokens.image, tokens.audio, tokens.silence, mask)
        results.append(unet(*args, context(unet, changed, frames, branches=(2,))))
    silent = unet(*args, context(unet, tokens, frames, branches=(1,)))
    assert not torch.allclose(results[0], results[1])
    assert not torch.allclose(results[1], silent)


def test_masks_follow_odd_sizes():
    masks = level_masks(torch.ones(72, 40), (9, 5), 4, torch.float32)
    assert [mask.shape[1] for mask in masks] == [45, 15, 6, 2]


def test_odd_latent_sizes_come_back_whole(unet, tokens):
    latents = torch.randn(1, FRAMES, 8, 9, 5)
    kept = ClipContext(unet, tokens, (9, 5), FRAMES, 2**30).of_windows(torch.arange(FRAMES)[None], (2,))
    assert unet(latents, torch.tensor([0.1]), torch.ones(1, 3), kept).shape == (1, FRAMES, 4, 9, 5)


def test_other_depths_are_read_from_the_config():
    config = UNetConfig(
        block_out_channels=(32, 64, 64),
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=24,
        layers_per_block=(1, 2, 1),
        transformer_layers_per_block=2,
        cross_attention_dim=16,
        num_attention_heads=2,
        audio_tokens=3,
    )
    unet = SonicUNet(config).requires_grad_(False)
    assert len(unet.up_blocks[1].resnets) == 3
    tokens = Tokens(torch.randn(16), torch.randn(CLIP, 3, 16), torch.randn(3, 16), torch.ones(64, 64))
    made = ClipContext(unet, tokens, (SIDE, SIDE), FRAMES, 2**30).of_windows(torch.arange(FRAMES)[None], (2,))
    latents, timestep, scalars = inputs(config, 1)
    assert unet(latents, timestep, scalars, made).isfinite().all()


@pytest.mark.parametrize("max_scores", [None, 1, 100, 10**9])
def test_attention_in_slices_is_the_same(max_scores):
    q, k, v = torch.randn(5, 6, 8), torch.randn(5, 4, 8), torch.randn(5, 4, 8)
    scores = (q.view(5, 6, 2, 4).transpose(1, 2) @ k.view(5, 4, 2, 4).permute(0, 2, 3, 1)) / 2
    expected = (scores.softmax(-1) @ v.view(5, 4, 2, 4).transpose(1, 2)).transpose(1, 2).flatten(2)
    torch.testing.assert_close(attend(q, k, v, heads=2, max_scores=max_scores), expected)


def test_feed_forward_in_slices_is_the_same(monkeypatch):
    layer = FeedForward(8).requires_grad_(False)
    x = torch.randn(3, 50, 8)
    whole = layer(x)
    monkeypatch.setattr(attention, "CPU_SLICE", 64 * 7)
    monkeypatch.setattr(attention, "CPU_ROWS", 1)
    torch.testing.assert_close(layer(x), whole)


def test_slices_of_a_large_tensor_are_few_and_of_a_small_one_none():
    small, large = (torch.empty(size, 64, device="meta") for size in (1000, 10**7))
    assert attention.slice_rows(small) > len(small)
    assert -(-len(large) // attention.slice_rows(large)) == 3
    assert attention.slice_rows(torch.empty(1, 1280)) == attention.CPU_ROWS


def test_projections_are_joined_inside_and_apart_in_files():
    layer = SelfAttention(8, 2)
    state = layer.state_dict()
    assert sorted(state) == ["to_k.weight", "to_out.0.bias", "to_out.0.weight", "to_q.weight", "to_v.weight"]
    assert torch.equal(layer.to_qkv.weight, torch.cat([state[f"to_{p}.weight"] for p in "qkv"]))
    with torch.device("meta"):
        other = SelfAttention(8, 2)
    other.load_state_dict(state, assign=True)
    x = torch.randn(2, 3, 8)
    torch.testing.assert_close(other(x), layer(x))
    moved = copy.deepcopy(other).to(torch.float64)
    assert moved.state_dict()["to_k.weight"].dtype == torch.float64
    del state["to_k.weight"]
    with pytest.raises(RuntimeError, match="to_qkv"):
        layer.load_state_dict(state)


def test_half_precision_stays_close(unet, tokens):
    frames = torch.arange(FRAMES)[None]
    args = inputs(unet.config, 3)
    exact = unet(*args, context(unet, tokens, frames))
    half = SonicUNet(unet.config).requires_grad_(False)
    half.load_state_dict(unet.state_dict())
    half = half.to(torch.bfloat16)
    rounded = half(args[0].bfloat16(), args[1], args[2], context(half, tokens, frames))
    assert rounded.dtype == torch.bfloat16
    assert (rounded.float() - exact).abs().max() < 0.05 * exact.abs().max()


def test_what_is_kept_is_counted(unet):
    channels = sum(block.attn2.to_q.in_features for t in unet.transformers() for block in t.transformer_blocks)
    assert keys_values_bytes(unet, 10) == 2 * 10 * unet.config.audio_tokens * channels * 4
