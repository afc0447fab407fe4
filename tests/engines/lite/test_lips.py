"""The edges of the lips: how soft they are, and the line between them when they are shut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.engines.lite.lips import LipDistances, Lips

DOWN = np.array([0, 1], np.float32)
FACE = 500.0  # px


def around(gap: float) -> LipDistances:
    """Straight lips across a picture of 100 x 60 px, their edges `gap` px apart round row 30."""
    x = np.linspace(10, 90, 41)
    edges = (np.stack([x, np.full(41, 30 + side * gap / 2)], -1) for side in (-1, 1))
    pixels = np.stack(np.meshgrid(np.arange(100), np.arange(60)), -1).astype(np.float32)
    return Lips(*edges, DOWN, 0.0).distances(pixels)


def middle(values: np.ndarray) -> np.ndarray:
    """What (60, 100, ...) values are down the middle of the mouth."""
    return values[:, 50]


def test_edges_are_soft_where_the_mouth_is_wide_open():
    edge, of_a_small_face = (middle(around(24.0).opening(face))[10:30] for face in (FACE, FACE / 4))
    assert np.all(np.diff(edge) >= 0)
    between = ((edge > 0.01) & (edge < 0.99)).sum()
    assert between >= 3
    assert edge[-1] == 1
    assert between > ((of_a_small_face > 0.01) & (of_a_small_face < 1)).sum()


@given(gap=st.floats(0, 40))
def test_an_opening_is_as_large_as_the_gap(gap: float):
    """However soft its edges are: a narrow one is neither swallowed nor widened."""
    area = middle(around(gap).opening(FACE)).sum()
    assert area == pytest.approx(gap, abs=0.7)


def test_shut_lips_have_no_opening():
    assert around(0.0).opening(FACE).max() == 0


def test_the_line_between_shut_lips_has_the_colour_of_flesh_in_the_shade():
    red, green, blue = middle(around(0.0).line(FACE, 1.0)).min(0)
    assert 0.4 < green < red < 0.7
    assert blue < red
    far = around(0.0).line(FACE, 1.0)[:15]
    assert far.min() > 0.99
    assert around(0.0).line(FACE, 0.0).min() == 1
