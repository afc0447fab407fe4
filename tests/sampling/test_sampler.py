"""The sampling loop on a denoiser whose answer is known in closed form."""

import pytest
import torch

from sonic_core.sampling import SOLVERS, Guidance, Windows, karras_sigmas, sample

TARGET_SHAPES = [(11, 4, 3, 2), (11, 6), (3, 6)]


def gaussian_denoiser(mean: torch.Tensor, spread: float):
    """The exact denoiser of data distributed as N(mean, spread^2), each branch with its own offset."""

    def denoise(noisy, sigma, frames, branches):
        share = spread**2 / (spread**2 + sigma**2)
        clean = mean[frames] + share * (noisy - mean[frames])
        return torch.stack([clean + branch for branch in branches])

    return denoise


def exact_solution(mean, spread, start, sigma):
    """Where the probability flow takes `start` from noise level `sigma` to 0."""
    return mean + (start - mean) * spread / (spread**2 + sigma**2) ** 0.5


@pytest.mark.parametrize("shape", TARGET_SHAPES)
@pytest.mark.parametrize("solver", ["euler", "dpmpp_2m"])
def test_reaches_the_exact_solution(shape, solver):
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(shape, generator=generator)
    start = mean + 80 * torch.randn(shape, generator=generator)
    result = sample(
        gaussian_denoiser(mean, 0.5),
        start,
        karras_sigmas(400, 0.002, 80.0),
        windows=Windows(length=5, overlap=1, shift=2),
        guidance=Guidance(),
        solver=SOLVERS[solver],
    )
    torch.testing.assert_close(result, exact_solution(mean, 0.5, start, 80.0), atol=0.02, rtol=0.02)


def test_second_order_is_closer():
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(11, 6, generator=generator)
    start = mean + 80 * torch.randn(11, 6, generator=generator)
    exact = exact_solution(mean, 0.5, start, 80.0)
    error = {
        name: (
            sample(
                gaussian_denoiser(mean, 0.5),
                start,
                karras_sigmas(25, 0.002, 80.0),
                windows=Windows(5, 0, 2),
                guidance=Guidance(),
                solver=solver,
            )
            - exact
        )
        .abs()
        .max()
        for name, solver in SOLVERS.items()
    }
    assert error["dpmpp_2m"] < 0.5 * error["euler"]


class CountingDenoiser:
    """Denoises to the branch number and remembers which branches were asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, noisy, sigma, frames, branches):
        self.asked.append(branches)
        return torch.stack([torch.full_like(noisy, float(branch)) for branch in branches])


def run(guidance, steps=4):
    denoise = CountingDenoiser()
    result = sample(denoise, torch.randn(7, 2), karras_sigmas(steps, 0.1, 10.0), windows=Windows(4), guidance=guidance)
    return denoise.asked, result


def test_guidance_runs_along_the_chain():
    asked, result = run(Guidance(scales=(2.0, 7.5)))
    assert asked == [(0, 1, 2)] * 4
    torch.testing.assert_close(result, torch.full((7, 2), 0 + 2.0 * (1 - 0) + 7.5 * (2 - 1)))


def test_a_branch_without_weight_is_not_computed():
    asked, result = run(Guidance(scales=(3.0, 3.0)))
    assert asked == [(0, 2)] * 4
    torch.testing.assert_close(result, torch.full((7, 2), 6.0))
    assert run(Guidance(scales=(1.0, 1.0)))[0] == [(2,)] * 4


def test_guidance_outside_its_interval_takes_the_last_branch():
    asked, _ = run(Guidance(scales=(2.0, 7.5), interval=(0.05, 5.0)))
    assert asked == [(2,), (0, 1, 2), (0, 1, 2), (0, 1, 2)]


def test_kept_direction_saves_branches_and_is_exact_when_it_is_constant():
    asked, result = run(Guidance(scales=(2.0, 7.5), refresh=2))
    assert asked == [(0, 1, 2), (2,), (0, 1, 2), (2,)]
    torch.testing.assert_close(result, run(Guidance(scales=(2.0, 7.5)))[1])


def test_on_step_counts_and_cancels():
    seen = []

    def on_step(done, total, denoised):
        seen.append((done, total, tuple(denoised.shape)))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(
            CountingDenoiser(),
            torch.randn(7, 2),
            karras_sigmas(4, 0.1, 10.0),
            windows=Windows(4),
            guidance=Guidance(),
            on_step=on_step,
        )
    assert seen == [(1, 4, (7, 2)), (2, 4, (7, 2))]
