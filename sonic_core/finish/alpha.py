"""Alpha for frames that have none.

Frames made from a photo get the photo's, moved as they move: optical flow from each frame to the portrait says where
every bit of it came from. Alpha comes from there; where the old background shines through, so do the person's own
colours. Lite moves alpha by its own map and needs none of this. Any other video is cut out frame by frame.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sonic_core.clip import Clip
from sonic_core.face.framing import Portrait
from sonic_core.matting.video import cut_frames
from sonic_core.video.optical_flow import FlowEstimator, warp
from sonic_core.video.windows import mapped

OWN = 0.9  # alpha from which a frame's own colours are taken


def with_alpha(clip: Clip, portrait: Portrait) -> Clip:
    """The clip with the alpha of the portrait's cutout; a clip that has alpha, or a portrait without, as it is."""
    cutout = portrait.cutout
    if clip.has_alpha or cutout is None:
        return clip
    estimator = FlowEstimator(clip.height, clip.width)
    still = estimator.prepare(portrait.image.astype(np.float32) / 255)
    whole = cutout.pixels.astype(np.float32) / 255

    def cut(_: int, frame: np.ndarray) -> np.ndarray:
        back = estimator.enlarge(estimator.between(estimator.prepare(frame), still))
        moved = warp(whole, back)
        own = ((moved[..., 3:] - OWN) / (1 - OWN)).clip(0, 1)
        moved[..., :3] += own * (frame - moved[..., :3])
        return moved

    return mapped(clip, cut, channels=4)


def cut_out_video(clip: Clip) -> Clip:
    """The clip with alpha: everything but the people in it is transparent. A clip that has alpha stays as it is."""
    if clip.has_alpha:
        return clip

    def make() -> Iterator[np.ndarray]:
        return (frame[None] for frame in cut_frames(clip.pictures()))

    return clip.replaced(make=make, channels=4)
