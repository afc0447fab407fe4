"""The integer geometry against the published arithmetic, and what must hold for any face."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.face.crop import crop_square, head_box, mask_box, resized_size
from sonic_core.face.detect import Face

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden" / "open" / "geometry.json"

# image, face, expand_ratio, crop, min_resolution, resized, mask
CASES = [
    ([1526, 817], [148, 420, 390, 732], 0.1, [124, 431, 414, 721], 512, [960, 512], [136, 405, 402, 747]),
    ([571, 1938], [126, 457, 181, 533], 0.0, [126, 468, 181, 522], 768, [768, 2624], [123, 454, 183, 536]),
    ([682, 1463], [92, 105, 418, 558], 0.18, [33, 110, 477, 553], 512, [512, 1088], [76, 82, 434, 580]),
    ([599, 457], [105, 254, 289, 426], 0.5, [52, 168, 342, 457], 512, [640, 512], [96, 246, 298, 434]),
    ([2107, 2056], [1626, 368, 2036, 810], 0.18, [1552, 312, 2107, 866], 256, [256, 256], [1606, 346, 2056, 832]),
    ([1468, 2025], [710, 46, 1041, 486], 1.0, [412, 0, 1338, 926], 512, [512, 704], [693, 24, 1057, 508]),
]


def check(
    image: list[int], face: list[int], ratio: float, crop: list[int], short: int, resized: list[int], mask: list[int]
) -> None:
    assert list(crop_square(tuple(image), tuple(face), ratio)) == crop
    assert list(resized_size(tuple(image), short)) == resized
    assert list(mask_box(tuple(face), tuple(image))) == mask


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0][0]}x{case[0][1]}")
def test_published_cases(case: tuple) -> None:
    check(*case)


@pytest.mark.skipif(not GOLDEN.exists(), reason="the shared golden cases are not here")
def test_all_golden_cases() -> None:
    for case in json.loads(GOLDEN.read_text()):
        names = ("image", "face", "expand_ratio", "crop", "min_resolution", "resized", "mask")
        check(*(case[name] for name in names))


@st.composite
def picture_and_face(draw: st.DrawFn) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    width, height = draw(st.integers(8, 4000)), draw(st.integers(8, 4000))
    x1, y1 = draw(st.integers(0, width - 4)), draw(st.integers(0, height - 4))
    return (width, height), (x1, y1, draw(st.integers(x1 + 4, width)), draw(st.integers(y1 + 4, height)))


@given(picture_and_face(), st.floats(0, 1))
def test_square_lies_inside_and_is_square(where: tuple, ratio: float) -> None:
    (width, height), face = where
    x1, y1, x2, y2 = crop_square((width, height), face, ratio)
    assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
    assert abs((x2 - x1) - (y2 - y1)) <= 2  # sides of 4 and 6 for 5: halves are rounded to even, as in the release
    assert x2 - x1 >= min(face[2] - face[0], face[3] - face[1]) - 1


@given(picture_and_face())
def test_mask_holds_the_face_and_stays_inside(where: tuple) -> None:
    (width, height), face = where
    x1, y1, x2, y2 = mask_box(face, (width, height))
    assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
    assert x1 <= face[0] + 1 and y1 <= face[1] + 1 and x2 >= face[2] - 1 and y2 >= face[3] - 1


@given(st.integers(1, 8000), st.integers(1, 8000), st.integers(64, 2048), st.sampled_from([2, 32, 64]))
def test_resize_keeps_the_aspect_within_half_a_multiple(width: int, height: int, short: int, multiple: int) -> None:
    size = resized_size((width, height), short, multiple)
    for side, was in zip(size, (width, height), strict=True):
        assert side % multiple == 0 and side >= multiple
        assert abs(side - was * short / min(width, height)) <= multiple / 2 + 1e-6 or side == multiple


@pytest.mark.parametrize(
    ("size", "short", "expected"),
    [
        ((750, 500), 576, (832, 576)),  # 13.5 multiples of 64, and the float ratio lies just below
        ((400, 600), 448, (448, 704)),  # 10.5, just above
        ((544, 512), 512, (512, 512)),  # 8.5 exactly: to even
        ((30, 3000), 64, (64, 6400)),
        ((3000, 30), 64, (6400, 64)),
    ],
)
def test_half_way_sizes_round_as_the_release_does(size: tuple[int, int], short: int, expected: tuple[int, int]) -> None:
    assert resized_size(size, short) == expected


def test_head_box_takes_in_the_hair_and_follows_a_tilt() -> None:
    angle = np.linspace(0, 2 * np.pi, 478, endpoint=False)
    marks = np.stack([200 + 60 * np.cos(angle), 200 + 80 * np.sin(angle), 0 * angle], 1).astype(np.float32)
    marks[10], marks[152] = (200, 120, 0), (200, 280, 0)
    face = Face((140, 120, 260, 280), marks, 1.0)
    x1, y1, x2, y2 = head_box(face, (400, 400))
    assert y1 < 80 and x1 < 125 and x2 > 275 and 280 <= y2 < 300
    sideways = Face(face.box, marks[:, [1, 0, 2]], 1.0)
    assert head_box(sideways, (400, 400))[0] < 80
    assert head_box(face, (230, 250)) == (x1, y1, 230, 250)
