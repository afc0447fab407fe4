"""The drawn rows of teeth."""

from __future__ import annotations

import numpy as np
import pytest

from sonic_core.engines.lite.teeth import LOWER_EDGE, UPPER_EDGE, row_of_teeth

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("upper", [True, False])
def test_rows_are_numbers_however_far_from_the_mouth(upper: bool):
    """A tilted head's layers reach far beyond its arch."""
    angle, depth = np.meshgrid(np.linspace(-1.5, 1.5, 61), np.linspace(-9, 9, 181))
    coverage, brightness = row_of_teeth(angle.astype(np.float32), depth.astype(np.float32), upper, 80.0)
    assert coverage.min() >= 0 and coverage.max() == 1
    assert brightness.min() >= 0 and brightness.max() <= 1
    beyond = depth > UPPER_EDGE + 0.02 if upper else depth < LOWER_EDGE - 0.06
    assert coverage[beyond].max() == 0
