"""The weights of guidance."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.sampling import Guidance

SCALES = st.lists(st.floats(0.0, 20.0), max_size=3).map(tuple)


@given(SCALES, st.floats(0.01, 700.0), st.floats(0.01, 700.0), st.floats(0.01, 700.0))
def test_weights_sum_to_one_inside_the_interval_and_outside(scales, low, high, sigma):
    weights = Guidance(scales, (low, high)).weights(sigma)
    assert len(weights) == len(scales) + 1 and math.isclose(sum(weights), 1.0, abs_tol=1e-9)
    if not low <= sigma <= high:
        assert weights == (*[0.0] * len(scales), 1.0)


def test_the_interval_includes_its_ends():
    guidance = Guidance((2.0, 7.5), (1.0, 5.0))
    guided = (-1.0, -5.5, 7.5)
    assert guidance.weights(1.0) == guidance.weights(5.0) == guided
    assert guidance.weights(0.999) == guidance.weights(5.001) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(("refresh", "steps"), [(1, [0, 1, 2, 3, 4, 5]), (3, [0, 3])])
def test_refreshed_every_so_many_steps_from_the_first(refresh, steps):
    guidance = Guidance((2.0,), refresh=refresh)
    assert [step for step in range(6) if guidance.refreshes(step)] == steps
