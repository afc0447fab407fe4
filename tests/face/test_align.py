"""Similarities of the plane, and crops that show what they should."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.face import align


@st.composite
def similarity(draw: st.DrawFn) -> np.ndarray:
    angle, scale = draw(st.floats(-3, 3)), draw(st.floats(0.2, 5))
    shift = [draw(st.floats(-50, 50)), draw(st.floats(-50, 50))]
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]]])


POINTS = np.array([[0.0, 0.0], [10.0, 2.0], [-4.0, 7.0], [3.0, -9.0]])


@given(similarity())
def test_fit_finds_the_similarity_that_moved_the_points(matrix: np.ndarray) -> None:
    np.testing.assert_allclose(align.fit(POINTS, align.apply(matrix, POINTS)), matrix, atol=1e-8)


@given(similarity(), similarity())
def test_invert_and_compose(first: np.ndarray, second: np.ndarray) -> None:
    np.testing.assert_allclose(align.apply(align.invert(first), align.apply(first, POINTS)), POINTS, atol=1e-6)
    both = align.apply(align.compose(second, first), POINTS)
    np.testing.assert_allclose(both, align.apply(second, align.apply(first, POINTS)), atol=1e-6)


def test_apply_scales_depth_along() -> None:
    matrix = np.array([[0.0, -2.0, 1.0], [2.0, 0.0, 0.0]])
    np.testing.assert_allclose(align.apply(matrix, np.array([[1.0, 2.0, 3.0]])), [[-3.0, 2.0, 6.0]])


@pytest.mark.parametrize("scale", [0.05, 0.13, 0.4, 1.0, 2.5])
def test_cut_keeps_a_spot_where_the_matrix_says(scale: float) -> None:
    """Also when the picture is shrunk by areas first, which shifts pixel centres."""
    image = np.zeros((900, 700, 3), np.uint8)
    spot = np.array([333.0, 512.0])
    cv2.circle(image, (333, 512), int(max(3, 4 / scale)), (255, 255, 255), -1, cv2.LINE_AA)
    matrix = np.array([[scale, 0.0, 40 - scale * spot[0]], [0.0, scale, 30 - scale * spot[1]]])
    crop = align.cut(image, matrix, 64).astype(np.float64).mean(-1)
    y, x = np.mgrid[:64, :64]
    middle = np.array([(crop * x).sum(), (crop * y).sum()]) / crop.sum()
    np.testing.assert_allclose(middle, [40, 30], atol=0.15)


def test_cut_beyond_the_picture_repeats_its_edge() -> None:
    image = np.full((20, 30, 3), 77, np.uint8)
    far = np.array([[1.0, 0.0, 500.0], [0.0, 1.0, 500.0]])
    assert (align.cut(image, far, 16) == 77).all()
