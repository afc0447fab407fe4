"""From a framed portrait to what the model is given of it: reference, CLIP pixels, face mask.

Images are uint8 RGB (h, w, 3) that are already cropped and resized. All resizing is Pillow's Lanczos on 8-bit pixels.
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sonic_core.face.crop import Box, Size, mask_box

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def reference_tensor(image: np.ndarray) -> Tensor:
    """(h, w, 3) uint8 -> (1, 3, h, w) float32 in [-1, 1]."""
    return _to_tensor(image) * 2 - 1


def clip_pixels(image: np.ndarray, side: int) -> Tensor:
    """(h, w, 3) uint8 -> (1, 3, side, side) float32 with OpenAI CLIP's mean and deviation."""
    resized = Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
    return (_to_tensor(np.asarray(resized)) - mean) / std


def face_mask(box: Box, view: Size, size: Size) -> Tensor:
    """Mask (h, w) in [0, 1] of an image that was resized from `view` to `size`.

    The face's box, in pixels of the view, is grown and drawn there, then resized like the image: its edges are soft.
    """
    left, top, right, bottom = mask_box(box, view)
    drawn = np.zeros(view[::-1], np.uint8)
    drawn[top:bottom, left:right] = 255
    resized = Image.fromarray(drawn).resize(size, Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(resized, dtype=np.float32) / 255)


def _to_tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(image, dtype=np.float32) / 255).permute(2, 0, 1)[None]
