"""A machine that cannot compile makes its clips all the same."""

import pytest
import torch

from sonic_core.engines.sonic import triton_norm
from sonic_core.engines.sonic.compiled import CompiledNetwork
from sonic_core.engines.sonic.unet import Context

ARGUMENTS = (torch.ones(1), torch.ones(1), torch.ones(1), Context((), (), ()), None)


def failing(error):
    def compile(network, **options):
        def run(*args):
            raise error

        return run

    return compile


def test_a_compiler_that_fails_is_left_out(monkeypatch, caplog):
    monkeypatch.setattr(torch, "compile", failing(RuntimeError("Failed to find C compiler.\nPlease set CC")))
    network = CompiledNetwork(lambda latents, *others: (2 * latents, latents))
    for _ in range(2):
        assert network(*ARGUMENTS)[0].item() == 2
    assert caplog.messages == ["the UNet runs without torch.compile: Failed to find C compiler."]


def test_a_lack_of_memory_is_not_the_compilers_fault(monkeypatch):
    monkeypatch.setattr(torch, "compile", failing(torch.cuda.OutOfMemoryError("out of memory")))
    with pytest.raises(torch.cuda.OutOfMemoryError):
        CompiledNetwork(lambda *others: others)(*ARGUMENTS)


def test_kernels_that_do_not_run_are_given_up(monkeypatch, caplog):
    def no_compiler(*args):
        raise RuntimeError("Failed to find C compiler.")

    monkeypatch.setattr(triton_norm, "AVAILABLE", True)
    monkeypatch.setattr(triton_norm, "group_norm", no_compiler)
    triton_norm.check(torch.device("cpu"))
    assert not triton_norm.AVAILABLE
    assert "without Triton" in caplog.text
