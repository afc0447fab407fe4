"""Tensors made of a portrait."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sonic_core.engines.sonic.image import CLIP_MEAN, CLIP_STD, clip_pixels, face_mask, reference_tensor


def test_reference_spans_minus_one_to_one():
    image = np.zeros((4, 6, 3), np.uint8)
    image[0, 0] = (255, 0, 51)
    tensor = reference_tensor(image)
    assert tensor.shape == (1, 3, 4, 6)
    torch.testing.assert_close(tensor[0, :, 0, 0], torch.tensor([1.0, -1.0, -0.6]))


def test_clip_pixels_are_square_and_normalised():
    pixels = clip_pixels(np.full((40, 80, 3), 255, np.uint8), 32)
    assert pixels.shape == (1, 3, 32, 32)
    white = torch.tensor([(1 - m) / s for m, s in zip(CLIP_MEAN, CLIP_STD, strict=True)])
    torch.testing.assert_close(pixels[0, :, 5, 5], white)


def lanczos(row, size):
    """Resize a row of 8-bit values by the formula: a sinc windowed by a sinc, three lobes, then rounded and cut."""
    scale = len(row) / size
    places = (np.arange(size) + 0.5) * scale
    distance = (np.arange(len(row)) + 0.5 - places[:, None]) / max(scale, 1)
    weights = np.sinc(distance) * np.sinc(distance / 3) * (abs(distance) < 3)
    return (weights @ row / weights.sum(1)).round().clip(0, 255)


@pytest.mark.parametrize("size", [12, 9, 4])
def test_clip_pixels_are_lanczos_on_8_bit(size):
    row = np.array([0, 0, 10, 128, 128, 128, 90, 255])
    image = np.ascontiguousarray(np.broadcast_to(row[None, :, None], (8, 8, 3)).astype(np.uint8))
    pixels = clip_pixels(image, size)[0, 0, size // 2] * CLIP_STD[0] + CLIP_MEAN[0]
    torch.testing.assert_close(pixels * 255, torch.tensor(lanczos(row, size)).float(), atol=1e-3, rtol=0)


def test_the_mask_of_a_picture_that_was_not_resized_is_the_grown_box():
    mask = face_mask((10, 20, 30, 40), (64, 48), (64, 48))
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (19, 40, 9, 30)
    assert mask.shape == (48, 64)
    assert mask.sum() == 22 * 22


def test_the_mask_is_drawn_in_the_view_and_resized_with_it():
    view, size = (100, 60), (128, 64)
    mask = face_mask((40, 20, 60, 40), view, size)
    drawn = Image.new("L", view)
    drawn.paste(255, (39, 19, 61, 41))  # grown by 1.1; paste leaves out the right and lower edge
    expected = np.asarray(drawn.resize(size, Image.Resampling.LANCZOS), np.float32) / 255
    assert mask.shape == (64, 128)
    assert np.array_equal(mask.numpy(), expected)
    assert ((mask > 0) & (mask < 1)).any(), "the edge is soft"
    assert mask[32, 64] == 1


@given(st.integers(16, 200), st.integers(16, 200), st.integers(1, 4), st.integers(1, 4), st.data())
def test_any_mask_lies_between_0_and_1_and_covers_the_middle_of_the_face(width, height, across, down, data):
    x1, y1 = data.draw(st.integers(0, width - 8)), data.draw(st.integers(0, height - 8))
    x2, y2 = data.draw(st.integers(x1 + 8, width)), data.draw(st.integers(y1 + 8, height))
    size = (64 * across, 64 * down)
    mask = face_mask((x1, y1, x2, y2), (width, height), size)
    assert mask.shape == size[::-1]
    assert (mask.min() >= 0, mask.max() <= 1) == (True, True)
    row, column = (int((a + b) / 2 / n * m) for a, b, n, m in ((y1, y2, height, size[1]), (x1, x2, width, size[0])))
    assert mask[min(row, size[1] - 1), min(column, size[0] - 1)] > 0.5
