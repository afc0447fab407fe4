"""Steps are skipped where the estimate stands still, computed where it moves, and never when the limit is 0."""

import math

import pytest
import torch

from sonic_core.sampling import Guidance, StepSkipper, Windows, karras_sigmas, sample
from sonic_core.sampling.skipping import _scaled

FRAMES = 6
WINDOWS = Windows(3, 0, 1)


class Counting:
    """Denoises to `target(sigma)`, the same for all windows, and counts its calls."""

    def __init__(self, target):
        self.target, self.calls = target, 0

    def __call__(self, noisy, sigma, frames, branches):
        self.calls += 1
        return self.target(sigma).expand(len(branches), *noisy.shape)


def run(target, limit, steps=20):
    denoise = Counting(target)
    skipper = StepSkipper(limit) if limit is not None else None
    sigmas = karras_sigmas(steps, 0.01, 80.0)
    latents = sigmas[0] * torch.randn(FRAMES, 4, generator=torch.Generator().manual_seed(0))
    done = []
    result = sample(
        denoise,
        latents,
        sigmas,
        windows=WINDOWS,
        guidance=Guidance((2.0,)),
        skipper=skipper,
        on_step=lambda *step: done.append(step[0]),
    )
    return result, denoise.calls, skipper, done


def still(sigma):
    return torch.full((4,), 2.0)


def moving(sigma):
    return torch.full((4,), 2.0) + torch.tensor(sigma).log() * torch.tensor([1.0, -1.0, 2.0, 0.5])


def test_an_estimate_that_stands_still_is_computed_twice():
    result, calls, skipper, done = run(still, 0.01)
    assert (calls, skipper.skipped) == (2, 18)
    torch.testing.assert_close(result, torch.full((FRAMES, 4), 2.0))
    assert done == list(range(1, 21))


def test_a_limit_of_0_skips_nothing_and_changes_nothing():
    exact, calls, _, _ = run(moving, None)
    same, again, skipper, _ = run(moving, 0.0)
    assert (again, skipper.skipped) == (calls, 0)
    assert torch.equal(same, exact)


@pytest.mark.parametrize(("low", "high"), [(0.05, 0.3), (0.1, 1.0)])
def test_a_higher_limit_skips_more_and_errs_more(low, high):
    exact, calls, _, _ = run(moving, None)
    careful, some, _, _ = run(moving, low)
    careless, few, _, _ = run(moving, high)
    assert few < some <= calls
    errors = [(result - exact).norm() for result in (careful, careless)]
    assert errors[0] <= errors[1]


def test_latents_are_compared_at_unit_variance():
    """Data of variance 1 with noise of standard deviation 2 has a standard deviation of sqrt(5)."""
    assert float(_scaled(torch.full((1,), math.sqrt(5.0)), 2.0)) == pytest.approx(1.0)
