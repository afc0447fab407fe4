"""Batches, devices and kept features: what may change the result, and what may not."""

import pytest
import torch

from sonic_core.engines.sonic.context import Tokens
from sonic_core.engines.sonic.denoiser import FeatureCache, FrameConditions, Replica, WindowDenoiser
from sonic_core.engines.sonic.options import Execution
from sonic_core.engines.sonic.replicas import Replicas
from sonic_core.errors import ModelError
from sonic_core.sampling import Guidance, Windows, karras_sigmas, sample

FRAMES, SIDE = 13, 8
WINDOWS = Windows(6, 0, 2)


def conditions(engine) -> tuple[Tokens, FrameConditions]:
    generator = torch.Generator().manual_seed(0)
    config = engine.config.unet
    shape = (config.audio_tokens, config.cross_attention_dim)
    tokens = Tokens(
        torch.randn(shape[1], generator=generator),
        torch.randn(FRAMES, *shape, generator=generator),
        torch.randn(*shape, generator=generator),
        torch.ones(64, 64),
    )
    image = torch.randn(4, SIDE, SIDE, generator=generator)
    return tokens, FrameConditions(image, 16 + torch.randn(FRAMES, 2, generator=generator), 12.5)


def run(engine, execution=None, batch=1, cache=None, steps=2, on_batch=None, branch_batch=None):
    execution = execution or Execution()
    tokens, frame_conditions = conditions(engine)
    replicas = Replicas(engine.net.unet, execution).for_clip(tokens, (SIDE, SIDE), WINDOWS.length)
    sigmas = karras_sigmas(steps, 0.002, 700.0)
    noise = torch.randn(FRAMES, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    return sample(
        WindowDenoiser(replicas, frame_conditions, batch, cache, on_batch, branch_batch),
        sigmas[0] * noise,
        sigmas,
        windows=WINDOWS,
        guidance=Guidance((2.0, 7.5)),
    )


@pytest.fixture(scope="module")
def expected(engine):
    return run(engine)


def test_batched_windows_give_the_same(engine, expected):
    torch.testing.assert_close(run(engine, batch=2), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("branches", [1, 2])
def test_branches_one_after_another_give_the_same(engine, expected, branches):
    torch.testing.assert_close(run(engine, branch_batch=branches), expected, rtol=1e-3, atol=1e-3)


def test_branches_one_after_another_with_kept_features(engine):
    together, apart = (run(engine, cache=FeatureCache(FRAMES, 2, 2**30), branch_batch=size) for size in (None, 1))
    torch.testing.assert_close(apart, together, rtol=1e-3, atol=1e-3)


def test_two_devices_give_the_same(engine, expected):
    torch.testing.assert_close(run(engine, Execution(devices=("cpu", "cpu"))), expected, rtol=1e-3, atol=1e-3)


def test_a_further_device_gets_its_own_copy(engine):
    replicas = Replicas(engine.net.unet, Execution(devices=("cpu", "meta")))
    own, other = replicas._unets()
    assert own is engine.net.unet
    assert other.conv_in.weight.is_meta
    assert replicas._unets()[1] is other


def test_features_reused_save_a_computation(engine, expected):
    result = run(engine, cache=FeatureCache(FRAMES, 2, 2**30))
    assert result.isfinite().all()
    assert not torch.allclose(result, expected)


def test_kept_features_follow_their_frames():
    cache = FeatureCache(frames=4, reuse=2, keep_bytes=0)
    cache.begin_step((0, 2))
    assert not cache.using
    first = torch.tensor([[0, 1], [2, 3]])
    values = torch.arange(4.0)[first][None, :, :, None, None, None] + torch.tensor([10.0, 20.0]).view(2, 1, 1, 1, 1, 1)
    cache.put([values[:, :1], values[:, 1:]], first, (0, 2))
    cache.begin_step((0, 2))
    assert cache.using
    shifted = cache.get(torch.tensor([[3, 0]]), (2, 0), torch.zeros(1))
    assert shifted.flatten().tolist() == [23, 20, 13, 10]
    cache.begin_step((0, 2))
    assert not cache.using


def test_features_reused_never_are_exact(engine, expected):
    torch.testing.assert_close(run(engine, cache=FeatureCache(FRAMES, 1, 0)), expected)


def test_progress_counts_windows_and_cancels(engine):
    seen = []

    def on_batch(count):
        seen.append(count)
        if len(seen) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(engine, batch=2, on_batch=on_batch)
    assert seen == [2, 1, 2, 1]


def test_cancelling_reaches_the_caller_from_several_devices(engine):
    def on_batch(count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(engine, Execution(devices=("cpu", "cpu")), on_batch=on_batch)


def test_an_overflow_is_named(engine, monkeypatch):
    def overflow(latents, *rest):
        return torch.full_like(latents[:, :, :4], torch.inf), latents

    monkeypatch.setattr(engine.net.unet, "forward_cached", overflow)
    with pytest.raises(ModelError, match=r"overflowed in torch\.float32"):
        run(engine)


def test_compiling_does_not_start_again_for_every_window(engine, monkeypatch):
    compiled = []

    def counting_compiler(graph, example_inputs):
        compiled.append(graph)
        return graph.forward

    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, **options: real(f, backend=counting_compiler, **options))
    tokens, frame_conditions = conditions(engine)
    replicas = Replicas(engine.net.unet, Execution(compile=True))
    for sigma, start in ((700.0, 0), (3.0, 5), (0.1, 9)):
        frames = (torch.arange(WINDOWS.length)[None] + start) % FRAMES
        denoise = WindowDenoiser(replicas.for_clip(tokens, (SIDE, SIDE), WINDOWS.length), frame_conditions)
        denoise(torch.randn(1, WINDOWS.length, 4, SIDE, SIDE), sigma, frames, (0, 1, 2))
    assert len(compiled) == 1


def test_the_last_windows_are_filled_up_where_shapes_are_fixed(engine, expected):
    """13 frames in windows of 6 are batches of 2 and 1 windows; a compiled network gets 2 each time."""
    sizes = []

    def network(latents, timestep, scalars, context, deep):
        sizes.append(len(latents))
        return engine.net.unet.forward_cached(latents, timestep, scalars, context, deep)

    tokens, frame_conditions = conditions(engine)
    context = Replicas(engine.net.unet, Execution()).for_clip(tokens, (SIDE, SIDE), WINDOWS.length)[0].context
    frames = WINDOWS.at(FRAMES, 0)
    noisy = torch.randn(3, WINDOWS.length, 4, SIDE, SIDE)
    results = [
        WindowDenoiser([Replica(engine.net.unet, network, context, fixed)], frame_conditions, 2)(
            noisy, 3.0, frames, (0, 1, 2)
        )
        for fixed in (True, False)
    ]
    assert sizes == [6, 6, 6, 3]
    torch.testing.assert_close(results[0], results[1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("chosen", "frames", "compiles"), [(None, 10**4, False), (True, 1, True), (False, 10**4, False)]
)
def test_compiling_is_on_by_itself_only_on_cuda(engine, chosen, frames, compiles):
    assert Replicas(engine.net.unet, Execution(compile=chosen))._compiles(frames) == compiles
