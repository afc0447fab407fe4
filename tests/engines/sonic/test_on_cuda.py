"""What only a CUDA card can show: its kernels give the numbers of the CPU, graphs and 8 bits included."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.shapes import call_inputs, clip_context, random_tokens, random_unet, window_context
from sonic_core.engines import sonic
from sonic_core.engines.sonic import triton_norm
from sonic_core.engines.sonic.checkpoint import laid_out
from sonic_core.engines.sonic.config import UNetConfig, read_config
from sonic_core.engines.sonic.eight_bit import store_in_eight_bits
from sonic_core.engines.sonic.graphs import GraphedNetwork
from sonic_core.engines.sonic.layers import TemporalConv
from sonic_core.engines.sonic.norms import Norm
from sonic_core.settings import Settings
from tools.end_to_end import CASES, check_end_to_end

from .test_end_to_end import golden, loaded  # noqa: F401  # a fixture

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA card here")

CONFIG = UNetConfig(block_out_channels=(64, 128, 128), num_attention_heads=(1, 2, 2), layers_per_block=1)
FRAMES, SIDE = 5, 12


@pytest.fixture(autouse=True)
def _float32_is_float32():
    """Without TF32, in which torch's convolutions compute on these cards."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    return random_unet(CONFIG)


@pytest.fixture(scope="module")
def wanted(unet):
    return through(unet)


def through(unet, dtype=torch.float32, network=None):
    """A call of three branches, on the device of the UNet."""
    device = str(unet.conv_in.weight.device)
    torch.manual_seed(1)
    tokens, inputs = random_tokens(CONFIG, FRAMES, 8 * SIDE), call_inputs(CONFIG, FRAMES, SIDE, "cpu", torch.float32)
    latents, timestep, scalars = (x.to(device) for x in inputs)
    kept = clip_context(unet, tokens, SIDE, FRAMES)
    with torch.inference_mode():
        network = network or unet.forward_cached
        return network(latents.to(dtype), timestep, scalars, window_context(kept, FRAMES), None)[0].float().cpu()


def on_card(unet, dtype=torch.float32):
    copied = copy.deepcopy(unet).to("cuda", dtype)
    for parameter in copied.parameters():
        parameter.data = laid_out(parameter.data)
    return copied


def error(ours, wanted):
    return float((ours - wanted).abs().max() / wanted.abs().max())


@pytest.mark.skipif(not triton_norm.AVAILABLE, reason="no Triton here")
@pytest.mark.parametrize(
    ("shape", "groups"), [((3, 64, 5, 7), 32), ((2, 96, 33, 34), 32), ((5, 320, 64, 64), 32), ((1, 1280, 3, 2), 32)]
)
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-4), (torch.float16, 1e-2), (torch.bfloat16, 6e-2)])
@pytest.mark.parametrize("silu", [False, True])
def test_the_triton_norm_gives_the_numbers_of_float64(shape, groups, dtype, limit, silu):
    x = (torch.randn(shape, device="cuda") * 2 + 3).to(dtype)
    weight, bias = torch.randn(2, shape[1], device="cuda").to(dtype)
    exact = F.group_norm(x.double(), groups, weight.double(), bias.double(), 1e-5)
    exact = F.silu(exact) if silu else exact
    for given in (x, x.to(memory_format=torch.channels_last)):
        y = triton_norm.group_norm(given, groups, weight, bias, 1e-5, silu)
        assert y.dtype == dtype
        assert y.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(y.double(), exact, atol=limit, rtol=limit)


@pytest.mark.parametrize(
    ("dtype", "limit"), [(torch.float32, 1e-4), (torch.float16, 2e-2), (torch.bfloat16, 1e-1)], ids=str
)
def test_a_call_gives_the_numbers_of_the_cpu(unet, wanted, dtype, limit):
    assert error(through(on_card(unet, dtype), dtype), wanted) < limit


def test_every_norm_and_convolution_is_given_channels_last(unet):
    seen = []
    network = on_card(unet, torch.float16)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | TemporalConv | Norm):
            module.register_forward_pre_hook(
                lambda module, inputs: seen.append(inputs[0].is_contiguous(memory_format=torch.channels_last))
            )
    through(network, torch.float16)
    assert len(seen) > 50
    assert all(seen)


def test_a_replayed_graph_gives_what_the_call_gives(unet):
    network = on_card(unet, torch.float16)
    graphed = GraphedNetwork(network.forward_cached, math.inf)
    expected = through(network, torch.float16)
    for _ in range(3):  # as usual, recorded, replayed
        torch.testing.assert_close(through(network, torch.float16, graphed), expected, atol=1e-3, rtol=1e-3)
    assert all(record is not None for record in graphed._records.values())


@pytest.mark.parametrize(("kind", "limit"), [("int8", 0.05), ("fp8", 0.15)])
def test_weights_in_8_bits_stay_near(unet, wanted, kind, limit):
    if kind == "fp8" and torch.cuda.get_device_capability() < (8, 9):
        pytest.skip("this card does not multiply in float8")
    network = on_card(unet, torch.float16)
    store_in_eight_bits(network, kind, smallest=2**12)
    difference = error(through(network, torch.float16), wanted)
    assert 1e-4 < difference < limit


def test_photo_to_frames_as_an_independent_implementation_on_the_cpu(golden):  # noqa: F811
    config, net = read_config(golden / "config.json"), loaded(golden)
    for network in vars(net).values():
        if network is not None:
            network.to("cuda")
    both = (torch.float32, torch.float16)
    cases = [replace(case, precisions=both) for case in CASES if case.name in ("portrait", "0.6 s")]
    with torch.inference_mode():
        found = list(check_end_to_end(golden, net, config, cases, "cuda"))
    assert len(found) == 4
    for name, dtype, difference in found:
        assert difference < (1e-4 if dtype == torch.float32 else 2e-2), (name, dtype)


@pytest.mark.parametrize("options", [{"graphs": True}, {"graphs": False}, {"branch_batch": 1}], ids=str)
def test_a_clip_is_that_of_the_cpu(model_folder, engine, portrait, speech, options):
    def frames(engine):
        conditions = engine.condition(portrait, speech, settings)
        return np.concatenate(list(engine.decode(engine.sample(conditions, settings), settings).chunks()))

    settings = Settings(inference_steps=3, fps=12.5)
    on_cuda = sonic.load(model_folder, "cuda", torch.float32, latents_folder=None, **options)
    np.testing.assert_allclose(frames(on_cuda), frames(engine), atol=2e-3)


def test_networks_leave_the_card_and_come_back(model_folder, portrait, speech):
    engine = sonic.load(model_folder, "cuda", latents_folder=None)
    settings = Settings(inference_steps=1)
    where = {}
    for stage in ("condition", "sample", "decode"):
        engine._residence.settle(engine.networks(stage), alone=True)
        where[stage] = {name: next(n.parameters()).device.type for name, n in vars(engine.net).items() if n is not None}
    assert where["sample"]["unet"] == "cuda"
    assert where["sample"]["vae"] == where["sample"]["image_encoder"] == "cpu"
    assert where["decode"]["unet"] == "cpu"
    clip = engine.decode(engine.sample(engine.condition(portrait, speech, settings), settings), settings)
    assert np.isfinite(np.concatenate(list(clip.chunks()))).all()
