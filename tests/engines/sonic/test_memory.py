"""Plans fit into what is free, get smaller with it, and refuse in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.memory import full_size_engine
from sonic_core.engines.sonic.memory import RESERVE, Costs, Work, network_bytes, plan
from sonic_core.errors import NotEnoughMemoryError
from sonic_core.settings import Settings

GIB = 2**30
RELEASED = Costs(
    unet=3 * GIB,
    conditioners=3 * GIB // 2,
    decoder=GIB // 4,
    everything=19 * GIB // 4,
    encode=GIB // 2,
    kept=GIB // 4,
    call=3 * GIB,
    latent_pixel=180_000,
)


def work(size=(64, 64), windows=10, movable=True):
    return Work(size, windows, branches=3, chunk=8, movable=movable)


@given(st.integers(0, 40 * GIB), st.sampled_from([(64, 64), (64, 112), (128, 128)]), st.booleans())
def test_a_plan_fits_or_is_refused(available, size, movable):
    try:
        made = plan(RELEASED, work(size, movable=movable), available)
    except NotEnoughMemoryError as error:
        assert "free" in str(error)
        assert available < 40 * GIB
    else:
        assert made.peak_bytes <= available
        assert made.peak_bytes >= RESERVE + RELEASED.unet + RELEASED.call // 3
        assert movable or not made.alone


@given(st.integers(5 * GIB, 40 * GIB), st.integers(0, 8 * GIB))
def test_more_memory_never_cuts_smaller(available, more):
    try:
        tight = plan(RELEASED, work(), available)
    except NotEnoughMemoryError:
        return
    roomy = plan(RELEASED, work(), available + more)
    assert roomy.branch_batch >= tight.branch_batch
    assert roomy.alone <= tight.alone


def test_less_memory_means_smaller_cuts():
    roomy, tight = (plan(RELEASED, work((128, 128)), size * GIB) for size in (40, 6))
    assert (roomy.decode_chunk, roomy.tile, roomy.branch_batch, roomy.alone) == (8, None, 3, False)
    assert (tight.branch_batch, tight.alone) == (1, True)
    assert tight.tile is not None
    assert "tiles" in tight.notes


def test_networks_that_cannot_leave_are_counted():
    """CLIP, VAE and RIFE sit beside the UNet: 4.75 GiB of weights, not 3."""
    stuck = plan(RELEASED, work(movable=False), 10 * GIB)
    assert stuck.peak_bytes >= RELEASED.everything + RELEASED.kept + RELEASED.call
    with pytest.raises(NotEnoughMemoryError):
        plan(RELEASED, work(movable=False), 6 * GIB)
    assert plan(RELEASED, work(), 6 * GIB).alone


def test_small_calls_are_batched_and_large_ones_are_not():
    small = Costs(GIB, GIB, GIB, 2 * GIB, encode=0, kept=0, call=GIB // 8, latent_pixel=1000)
    assert plan(small, work((32, 32), 3), 20 * GIB).window_batch == 3
    assert plan(RELEASED, work(), 40 * GIB).window_batch == 1


def test_refusal_says_what_is_needed():
    with pytest.raises(NotEnoughMemoryError, match=r"sampling needs 4\.5 GiB but 4\.0 GiB are free"):
        plan(RELEASED, work(), 4 * GIB)


def test_the_engine_plans_for_its_networks(engine):
    short, long = (engine.plan_memory(Settings(), (512, 512), seconds, GIB) for seconds in (1, 300))
    assert long.peak_bytes >= short.peak_bytes
    with pytest.raises(NotEnoughMemoryError):
        engine.plan_memory(Settings(), (4096, 4096), 10, GIB // 4)


@pytest.mark.parametrize(("card", "size"), [(8, 512), (12, 768), (16, 1024)])
def test_common_cards_hold_common_sizes(card, size):
    """At the released sizes in half precision; 0.8 GiB of a card are CUDA's and the desktop's."""
    engine = full_size_engine()
    networks = [network for network in vars(engine.net).values() if network is not None]
    free = int((card - 0.8) * GIB) - network_bytes(*networks)
    made = engine.plan_memory(Settings(), (size, size), 10.0, free)
    assert made.peak_bytes <= (card - 0.8) * GIB
    assert made.decode_chunk >= 4
