"""Mouths in other colours: what stays, what changes, and who counts as dark-skinned."""

import cv2
import numpy as np
import pytest

from sonic_core.face import points
from training.face.data import Faces
from training.face.recolour import CHEEKS, evened, recolour

SIZE = 48


def mouth(opening: float) -> tuple[np.ndarray, np.ndarray]:
    """A light face's crop with red lips, white teeth between them, and its lip points (40, 2) in crop units."""
    turn = np.pi - np.arange(20) / 20 * 2 * np.pi  # from the right corner below to the left, and back above
    ring = np.stack([np.cos(turn), np.sin(turn)], 1)
    marks = np.concatenate([ring * [0.6, 0.2 + opening], ring * [0.5, opening]])
    crop = np.full((SIZE, SIZE, 3), (230, 190, 170), np.uint8)
    for outline, colour in ((marks[:20], (190, 80, 80)), (marks[20:], (245, 240, 235))):
        cv2.fillPoly(crop, [np.round((outline + 1) * SIZE / 2 - 0.5).astype(np.int32)], colour)
    return crop, marks


def test_the_rings_are_drawn_as_the_points_are_ordered():
    marks = mouth(0.2)[1]
    lower, upper = (20 + points.INNER_LIPS.index(index) for index in (14, 13))
    assert marks[lower, 1] > 0 > marks[upper, 1] and marks[0, 0] < 0 < marks[10, 0]


@pytest.mark.parametrize("opening", [0.0, 0.25])
def test_lips_come_nearer_to_the_skin_and_nothing_is_brightened_much(opening):
    crop, marks = mouth(opening)
    lip = round(SIZE / 2 + (opening + 0.1) * SIZE / 2)
    middle = SIZE // 2
    differences, lightness = [], []
    for seed in range(20):
        made = recolour(crop, marks, np.random.default_rng(seed)).astype(float)
        differences.append(made[4, 4].mean() - made[lip, middle].mean())
        lightness.append(made[4, 4].mean())
    assert np.mean(differences) < 0.6 * (crop[4, 4].mean() - crop[lip, middle].mean())
    assert min(lightness) < 70 and max(lightness) < 1.15 * crop[4, 4].mean()


def test_teeth_are_darkened_less_than_skin():
    crop, marks = mouth(0.25)
    upper = round(SIZE / 2 - 0.2 * SIZE / 2)  # flesh is drawn below
    made = np.stack([recolour(crop, marks, np.random.default_rng(seed)) for seed in range(20)]).astype(float)
    teeth, skin = made[:, upper, SIZE // 2].mean(-1), made[:, 4, 4].mean(-1)
    assert np.median(teeth / skin) > 1.2 * crop[upper, SIZE // 2].mean() / crop[4, 4].mean()


def test_dark_skinned_people_are_drawn_more_often():
    landmarks = np.full((2, 478, 3), 20, np.float32)
    landmarks[:, list(CHEEKS)] = [[20, 30, 0], [40, 30, 0]]
    images = np.stack([np.full((64, 64, 3), colour, np.uint8) for colour in ((230, 190, 170), (70, 45, 35))])
    faces = Faces(images, landmarks, np.array(["light", "dark"]), np.ones(2, np.float32))
    assert evened(faces, times=3).weight.tolist() == [1, 3]
