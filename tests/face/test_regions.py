"""The close crops of lips and eyes: upright, centred, and the left eye seen as a right one."""

from __future__ import annotations

import numpy as np
import pytest

from sonic_core.face import align, points, regions


def made_up_face(roll: float) -> np.ndarray:
    """Landmarks (478, 2): two eyes as rings 100 apart, a mouth as two rings, turned by `roll` degrees."""
    marks = np.zeros((478, 2))

    def ring(indices: tuple[int, ...], x: float, y: float, width: float, height: float, mirrored: bool = False) -> None:
        turn = np.linspace(np.pi, -np.pi, len(indices), endpoint=False)
        across = -np.cos(turn) if mirrored else np.cos(turn)
        marks[list(indices)] = np.stack([x + width * across, y + height * np.sin(turn)], 1)

    for eye, iris, x in ((points.RIGHT_EYE, points.RIGHT_IRIS, 100), (points.LEFT_EYE, (473, 476, 475, 474, 477), 200)):
        ring(eye, x, 100, 20, 8, mirrored=x == 200)
        ring(iris, x, 100, 5, 5, mirrored=x == 200)
    ring(points.OUTER_LIPS, 150, 180, 35, 15)
    ring(points.INNER_LIPS, 150, 180, 25, 6)
    angle = np.radians(roll)
    return align.apply(np.array([[np.cos(angle), -np.sin(angle), 30], [np.sin(angle), np.cos(angle), -10]]), marks)


@pytest.mark.parametrize("roll", [0.0, 25.0, -70.0])
def test_crops_do_not_see_the_roll(roll: float) -> None:
    for region in regions.REGIONS:
        upright, rolled = (
            align.apply(regions.aim(region, face), face[list(region.points)])
            for face in (made_up_face(0), made_up_face(roll))
        )
        np.testing.assert_allclose(rolled, upright, atol=1e-9)
        np.testing.assert_allclose(upright.mean(0), 0, atol=1e-9)


def test_the_left_eye_is_seen_as_a_right_eye() -> None:
    face = made_up_face(10)
    right, left = (
        align.apply(regions.aim(region, face), face[list(region.points)])
        for region in regions.REGIONS
        if region.net == "eye"
    )
    np.testing.assert_allclose(left, right, atol=1e-9)


def test_a_crop_is_its_side_wide() -> None:
    mouth = regions.REGIONS[0]
    matrix = regions.aim(mouth, made_up_face(0))
    corners = align.apply(align.invert(matrix), np.array([[-1.0, -1.0], [1.0, 1.0]]))
    np.testing.assert_allclose(corners[1] - corners[0], mouth.side * 100)
