"""One sheet of a moving face."""

from __future__ import annotations

import numpy as np
import pytest

from sonic_core.engines.lite.layer import Layer
from sonic_core.engines.lite.warp import Grid

GRID = Grid(10, 20, 3, 12, 16)


@pytest.fixture
def layer() -> Layer:
    """Three modes of a face whose cells from row 9 on are above the lips."""
    modes = np.random.default_rng(0).standard_normal((3, 16 * 12 * 2)).astype(np.float32)
    used = np.zeros((15, 11), bool)
    used[9:, 2:8] = True
    return Layer(GRID, modes, used)


@pytest.mark.parametrize("reach", [0, 2, 50])
def test_a_cropped_layer_moves_what_is_left_as_before(layer: Layer, reach: int):
    weights = np.float32([0.2, -1, 0.5])
    part = layer.cropped(reach)
    places = part.grid.points()
    np.testing.assert_allclose(part.field(weights), GRID.sample(layer.field(weights), places), atol=1e-5)
    assert part.used.sum() == layer.used.sum()
    inside = GRID.points()[9:16, 2:9]  # the samples round the cells in use
    low, high = places.reshape(-1, 2).min(0), places.reshape(-1, 2).max(0)
    assert np.all(low <= inside.reshape(-1, 2).min(0)) and np.all(high >= inside.reshape(-1, 2).max(0))
    assert (reach < 50) == (part.grid.rows * part.grid.columns < GRID.rows * GRID.columns)


def test_only_cells_in_use_hold_a_movement_back(layer: Layer):
    still = np.zeros((16, 12, 2), np.float32)
    steep = still.copy()
    steep[2, 4, 1] = 40  # far from the cells in use
    assert layer.limit(still) == layer.limit(steep) == 1
    steep[12, 4, 1] = 40
    assert layer.limit(steep) == pytest.approx(GRID.fold_limit(steep)) and layer.limit(steep) < 1
    assert layer.cropped(1).limit(steep[8:, 1:10]) == layer.limit(steep)


def test_a_layer_that_is_never_seen_holds_nothing_back(layer: Layer):
    unseen = Layer(GRID, layer.modes, np.zeros((15, 11), bool))
    assert unseen.limit(unseen.field(np.float32([9, 9, 9]))) == 1
    assert unseen.cropped(2).field(np.float32([1, 0, 0])).size > 0
