"""Tensors made of a portrait."""

import numpy as np
import torch

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


def test_the_mask_is_the_grown_box():
    mask = face_mask((10, 20, 30, 40), (64, 48))
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (19, 40, 9, 30)
    assert mask.shape == (48, 64)
    assert mask.sum() == 22 * 22
