"""One step of a solver, by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.sampling import dpmpp_2m
from sonic_core.sampling.solvers import Estimate

FALL = st.floats(0.05, 2.0)  # by how much log sigma falls


@given(FALL, FALL, st.floats(-2.0, 2.0), st.floats(-2.0, 2.0))
def test_dpmpp_2m_takes_a_linear_estimate_in_the_middle_of_the_step(before, step, value, slope):
    """An estimate that is linear in log sigma is known exactly half a step ahead, for any two steps."""

    def estimate(log_sigma):
        return Estimate(torch.tensor([value + slope * log_sigma], dtype=torch.float64), math.exp(log_sigma))

    sigma, sigma_next = math.exp(1.0), math.exp(1.0 - step)
    latents = torch.tensor([3.0], dtype=torch.float64)
    found = dpmpp_2m(latents, estimate(1.0), estimate(1.0 + before), sigma_next)
    ratio = sigma_next / sigma
    middle = estimate(1.0 - step / 2).denoised
    assert float(found) == pytest.approx(float(ratio * latents + (1 - ratio) * middle), abs=1e-9)
