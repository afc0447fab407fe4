"""What stands behind a person who was cut out: a colour or a picture. Knows nothing of how the person was cut out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sonic_core.clip import Clip
from sonic_core.finish.canvas import covering_box, resized
from sonic_core.finishing import parse_background
from sonic_core.media.image import load_image
from sonic_core.video.layers import laid_over


def on_background(clip: Clip, wanted: str) -> Clip:
    """The clip, whose frames have alpha, over what `Finishing.background` names; "transparent" leaves it as it is.

    A picture covers the frame; what stands over on two sides is cut. Raises InputError for a picture that cannot be
    read.
    """
    asked = parse_background(wanted)
    if asked is None or not clip.has_alpha:
        return clip
    return behind(clip, np.full((1, 1, 3), asked, np.uint8) if isinstance(asked, tuple) else load_image(asked))


def behind(clip: Clip, picture: np.ndarray) -> Clip:
    """The clip, whose frames have alpha, in front of a picture, uint8 (h, w, 3)."""
    background = covering(picture, (clip.width, clip.height))

    def make() -> Iterator[np.ndarray]:
        for chunk in clip.pixels():
            yield np.stack([laid_over(frame, background) for frame in chunk])

    return clip.replaced(make=make, channels=3)


def covering(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture, uint8 (h, w, 3), cut and resized to `size` (width, height)."""
    return resized(picture, covering_box((picture.shape[1], picture.shape[0]), size), size)
