"""Schedules fall to 0; the v-prediction scalings invert the definition of v."""

import math

import pytest
import torch

from sonic_core.sampling.schedule import (
    ALIGN_YOUR_STEPS_SVD,
    align_your_steps,
    karras_sigmas,
    v_scalings,
)


def test_karras_ends_and_middle():
    sigmas = karras_sigmas(3, 0.002, 700.0)
    middle = ((0.002 ** (1 / 7) + 700 ** (1 / 7)) / 2) ** 7
    torch.testing.assert_close(sigmas, torch.tensor([700.0, middle, 0.002, 0.0]))


def test_align_your_steps_is_as_published_at_ten():
    torch.testing.assert_close(align_your_steps(10), torch.tensor([*ALIGN_YOUR_STEPS_SVD[:-1], 0.0]))


@pytest.mark.parametrize("steps", [1, 2, 6, 10, 25])
@pytest.mark.parametrize("schedule", [align_your_steps, lambda steps: karras_sigmas(steps, 0.002, 700.0)])
def test_schedules_fall_to_zero(schedule, steps):
    sigmas = schedule(steps)
    assert len(sigmas) == steps + 1
    assert sigmas[0] == 700.0
    assert sigmas[-1] == 0.0
    assert (sigmas[1:] < sigmas[:-1]).all()


@pytest.mark.parametrize("sigma", [0.002, 1.0, 700.0])
def test_a_perfect_v_network_denoises_perfectly(sigma):
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 50, generator=generator, dtype=torch.float64)
    alpha, spread = 1 / math.sqrt(sigma**2 + 1), sigma / math.sqrt(sigma**2 + 1)
    v = alpha * noise - spread * clean
    scale = v_scalings(sigma)
    noisy = clean + sigma * noise
    torch.testing.assert_close(scale.input * noisy, alpha * clean + spread * noise)
    torch.testing.assert_close(scale.skip * noisy + scale.output * v, clean)
    assert scale.noise == 0.25 * math.log(sigma)
