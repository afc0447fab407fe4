"""Plans fit into what is free, get smaller with it, and refuse in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.engines.sonic.memory import RESERVE, Costs, plan
from sonic_core.errors import NotEnoughMemoryError
from sonic_core.settings import Settings

GIB = 2**30
RELEASED = Costs(unet=3 * GIB, decoder=GIB // 4, kept=GIB // 4, call=3 * GIB, latent_pixel=180_000)


@given(st.integers(0, 40 * GIB), st.sampled_from([(64, 64), (64, 112), (128, 128)]))
def test_a_plan_fits_or_is_refused(available, size):
    try:
        made = plan(RELEASED, size, 10, available)
    except NotEnoughMemoryError as error:
        assert "free" in str(error)
        assert available < 40 * GIB
    else:
        assert made.peak_bytes <= available
        assert made.peak_bytes >= RESERVE + RELEASED.unet + RELEASED.call


def test_less_memory_means_smaller_cuts():
    roomy, tight = (plan(RELEASED, (128, 128), 10, size * GIB) for size in (40, 8))
    assert (roomy.decode_chunk, roomy.tile) == (8, None)
    assert tight.tile is not None
    assert "tiles" in tight.notes


def test_small_calls_are_batched_and_large_ones_are_not():
    small = Costs(unet=GIB, decoder=GIB, kept=0, call=GIB // 8, latent_pixel=1000)
    assert plan(small, (32, 32), 3, 20 * GIB).window_batch == 3
    assert plan(RELEASED, (64, 64), 3, 40 * GIB).window_batch == 1


def test_refusal_says_what_is_needed():
    with pytest.raises(NotEnoughMemoryError, match=r"sampling needs 6\.5 GiB but 4\.0 GiB are free"):
        plan(RELEASED, (64, 64), 10, 4 * GIB)


def test_the_engine_plans_for_its_networks(engine):
    short, long = (engine.plan_memory(Settings(), (512, 512), seconds, GIB) for seconds in (1, 300))
    assert long.peak_bytes >= short.peak_bytes
    with pytest.raises(NotEnoughMemoryError):
        engine.plan_memory(Settings(), (4096, 4096), 10, GIB // 4)
