"""Group norm in channels-last memory: torch's numbers, and no tensor of the UNet in another layout."""

import ast
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sonic_core.engines.sonic import norms, triton_norm
from sonic_core.engines.sonic.layers import TemporalConv
from sonic_core.engines.sonic.norms import Norm, composed_group_norm
from sonic_core.engines.sonic.unet import SonicUNet

from .tiny import unet_config

LAYOUT = torch.channels_last


def expected(x, groups, weight, bias, silu):
    y = F.group_norm(x.float(), groups, weight.float(), bias.float(), 1e-5)
    return F.silu(y) if silu else y


@given(
    st.integers(1, 3),
    st.sampled_from([(32, 32), (64, 32), (96, 32), (6, 3)]),
    st.integers(2, 9),
    st.integers(2, 9),
    st.booleans(),
)
def test_the_composed_norm_gives_torchs_numbers(count, sizes, height, width, silu):
    channels, groups = sizes
    generator = torch.Generator().manual_seed(height)
    x = torch.randn(count, channels, height, width, generator=generator).to(memory_format=LAYOUT) * 2 + 1
    weight, bias = torch.randn(2, channels, generator=generator)
    for dtype, limit in ((torch.float32, 1e-4), (torch.bfloat16, 0.1), (torch.float16, 0.02)):
        args = x.to(dtype), groups, weight.to(dtype), bias.to(dtype)
        y = composed_group_norm(*args, 1e-5, silu)
        assert y.dtype == dtype
        assert y.is_contiguous(memory_format=LAYOUT)
        torch.testing.assert_close(y.float(), expected(*args, silu), atol=limit, rtol=limit)


def test_no_norm_and_no_convolution_sees_another_layout(monkeypatch):
    """With a norm that keeps the layout, as on CUDA, every feature map of a call is channels-last."""
    torch.manual_seed(0)
    unet = SonicUNet(unet_config()).eval().requires_grad_(False)
    args = call_arguments(unet)
    plain = unet(*args)

    def composed(self, x, silu=False):
        return composed_group_norm(x, self.num_groups, self.weight, self.bias, self.eps, silu)

    monkeypatch.setattr(norms.Norm, "forward", composed)
    seen = []
    for module in unet.modules():
        if isinstance(module, nn.Conv2d | TemporalConv | Norm):
            module.register_forward_pre_hook(
                lambda module, inputs: seen.append(inputs[0].is_contiguous(memory_format=LAYOUT))
            )
    kept = unet(*args)
    assert len(seen) > 50
    assert all(seen)
    torch.testing.assert_close(kept, plain, atol=1e-4, rtol=1e-4)


def call_arguments(unet):
    from sonic_core.engines.sonic.context import ClipContext, Tokens

    config, frames = unet.config, 4
    tokens = Tokens(
        torch.randn(config.cross_attention_dim),
        torch.randn(frames, config.audio_tokens, config.cross_attention_dim),
        torch.randn(config.audio_tokens, config.cross_attention_dim),
        torch.ones(64, 64),
    )
    context = ClipContext(unet, tokens, (8, 16), frames, 2**20).of_windows(torch.arange(frames)[None], (0, 1, 2))
    return torch.randn(3, frames, 8, 8, 16), torch.tensor([0.5]), torch.randn(3, 3), context


TRITON = """
import torch, torch.nn.functional as F
from sonic_core.engines.sonic.triton_norm import group_norm
torch.manual_seed(0)
for count, channels, height, width, groups in ((2, 64, 5, 7, 32), (1, 96, 33, 34, 32)):
    for dtype, limit in ((torch.float32, 1e-4), (torch.float16, 2e-2)):
        x = (torch.randn(count, channels, height, width) * 2 + 3).to(dtype).to(memory_format=torch.channels_last)
        weight, bias = torch.randn(2, channels).to(dtype)
        for silu in (False, True):
            wanted = F.group_norm(x.float(), groups, weight.float(), bias.float(), 1e-5)
            wanted = F.silu(wanted) if silu else wanted
            y = group_norm(x, groups, weight, bias, 1e-5, silu)
            assert y.is_contiguous(memory_format=torch.channels_last)
            torch.testing.assert_close(y.float(), wanted, atol=limit, rtol=limit)
print("same")
"""


@pytest.mark.skipif(find_spec("triton") is None, reason="no Triton here; its kernels were not run")
def test_the_triton_kernels_give_torchs_numbers_in_the_interpreter():
    done = subprocess.run(
        [sys.executable, "-c", TRITON],
        env={**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "same", done.stderr


def test_the_kernels_have_no_annotations_but_constexpr():
    """Triton refuses others, as a card showed; its interpreter takes them."""
    tree = ast.parse(Path(triton_norm.__file__).read_text())
    kernels = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.decorator_list]
    assert [kernel.name for kernel in kernels] == ["_sums", "_affine", "_apply"]
    for kernel in kernels:
        assert kernel.returns is None
        written = {ast.unparse(arg.annotation) for arg in kernel.args.args if arg.annotation is not None}
        assert written == {"tl.constexpr"}


COMPILED = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from sonic_core.engines.sonic import triton_norm as kernels

SIZES = {"CHUNK": 1024, "PIXELS": 64, "CHANNELS": 64, "SILU": True, "WIDTH": 16}
POINTERS = {"rows": "*fp16", "out": "*fp16", "weight": "*fp16", "bias": "*fp16", "partial": "*fp32", "affine": "*fp32"}
for kernel in (kernels._sums, kernels._affine, kernels._apply):
    constants = {name: SIZES[name] for name in kernel.arg_names if name in SIZES}
    kinds = {name: POINTERS.get(name, "i32") for name in kernel.arg_names} | {name: "constexpr" for name in constants}
    if "eps" in kinds:
        kinds["eps"] = "fp32"
    triton.compile(ASTSource(fn=kernel, signature=kinds, constexprs=constants), target=GPUTarget("cuda", 80, 32))
print("compiled")
"""


@pytest.mark.skipif(find_spec("triton") is None, reason="no Triton here; its kernels were not compiled")
def test_triton_compiles_the_kernels_without_a_card():
    done = subprocess.run(
        [sys.executable, "-c", COMPILED],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "compiled", done.stderr
