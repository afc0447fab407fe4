"""Weights in 8 bits: half the bytes of half precision, a result that stays near."""

import copy

import pytest
import torch
from torch import nn

from sonic_core.engines import sonic
from sonic_core.engines.sonic.eight_bit import ChannelScaled, Float8Linear, store_in_eight_bits
from sonic_core.engines.sonic.layers import Embedding
from sonic_core.engines.sonic.memory import network_bytes
from sonic_core.engines.sonic.unet import SonicUNet
from sonic_core.errors import ModelError
from sonic_core.settings import Settings

from .test_norms import call_arguments
from .tiny import unet_config


def error(ours, wanted):
    return float((ours - wanted).norm() / wanted.norm())


def test_int8_rounds_each_output_channel_to_its_own_scale():
    weight = torch.randn(4, 8, 3, 3) * torch.tensor([1e-3, 1.0, 50.0, 0.0])[:, None, None, None]
    values, scale = ChannelScaled().right_inverse(weight)
    assert values.dtype == torch.int8
    assert scale.shape == (4, 1, 1, 1)
    again = ChannelScaled()(values, scale)
    assert ((again - weight).abs() <= scale / 2 + 1e-9).all()


@torch.inference_mode()
def test_a_call_of_a_network_in_int8_stays_near():
    torch.manual_seed(0)
    unet = SonicUNet(unet_config()).eval().requires_grad_(False)
    args = call_arguments(unet)
    wanted = unet(*args)
    stored = copy.deepcopy(unet)
    store_in_eight_bits(stored, "int8", smallest=2**10)
    assert network_bytes(stored) < 0.35 * network_bytes(unet)  # from float32
    assert stored.conv_out.weight.dtype == torch.float32
    assert 1e-4 < error(stored(*args), wanted) < 0.05


def test_a_stored_network_can_be_listed_copied_and_moved():
    unet = SonicUNet(unet_config()).eval().requires_grad_(False)
    store_in_eight_bits(unet, "int8", smallest=2**10)
    names = copy.deepcopy(unet).to("cpu").state_dict()
    assert any(value.dtype == torch.int8 for value in names.values())


@torch.inference_mode()
def test_an_fp8_layer_multiplies_in_8_bits():
    torch.manual_seed(0)
    layer = nn.Linear(64, 48).half().requires_grad_(False)
    x = torch.randn(2, 5, 64).half()
    narrow = Float8Linear(layer)
    assert narrow.weight.dtype == torch.float8_e4m3fn
    assert narrow(x).shape == (2, 5, 48)
    assert 1e-3 < error(narrow(x).float(), layer(x).float()) < 0.06


@torch.inference_mode()
def test_an_embedding_in_fp8_computes_in_the_dtype_of_its_bias():
    """As a card showed: the dtype of its weight is no longer that of its input. A whole call is too slow here."""
    torch.manual_seed(0)
    network = nn.ModuleList([Embedding(32, 64, 32)]).half().requires_grad_(False)
    angles = torch.randn(5, 32)
    wanted = network[0](angles).float()
    store_in_eight_bits(network, "fp8", smallest=0)
    assert all(isinstance(layer, Float8Linear) for layer in network[0].children())
    assert 1e-4 < error(network[0](angles).float(), wanted) < 0.1


def test_layers_of_odd_sizes_are_stored_in_int8_instead():
    network = nn.Sequential(nn.Linear(24, 32), nn.Linear(32, 48)).requires_grad_(False)
    wanted = network(torch.ones(2, 24))
    store_in_eight_bits(network, "fp8", smallest=0)
    odd, even = network
    assert odd.parametrizations.weight.original0.dtype == torch.int8
    assert isinstance(even, Float8Linear)
    assert error(network(torch.ones(2, 24)), wanted) < 0.1


def test_fp8_is_refused_where_there_is_no_such_product(model_folder):
    with pytest.raises(ModelError, match="use int8 instead"):
        sonic.load(model_folder, "cpu", eight_bit="fp8")


def test_an_engine_with_stored_weights_makes_a_clip(model_folder, engine, portrait, speech):
    stored = sonic.load(model_folder, "cpu", latents_folder=None, eight_bit="int8")
    settings = Settings(inference_steps=1)
    conditions = stored.condition(portrait, speech, settings)
    assert stored.sample(conditions, settings).values.isfinite().all()
    store_in_eight_bits(stored.net.unet, "int8", smallest=2**10)
    assert stored._run_name(conditions, settings) != engine._run_name(conditions, settings)
