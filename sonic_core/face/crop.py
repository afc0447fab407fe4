"""All geometry in whole pixels: the face's mask box, the square around a face, output sizes, the box of the whole head.

Boxes are (x1, y1, x2, y2) in pixels, x2 and y2 exclusive; sizes are (width, height). The square, the resize and the
mask match the published Sonic to the pixel: they round halves to even and clip to the picture where it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sonic_core.face.points import CHIN, FOREHEAD

if TYPE_CHECKING:
    from sonic_core.face.detect import Face

Box = tuple[int, int, int, int]
Size = tuple[int, int]

# How far hair, ears and neck reach beyond the landmarks, as shares of the face's height.
HAIR_ABOVE, HEAD_ASIDE, NECK_BELOW = 0.38, 0.16, 0.06


def mask_box(box: Box, size: Size) -> Box:
    """The face box grown by 1.1 about its integer centre, clipped to the picture: where audio may move pixels."""
    x1, y1, x2, y2 = box
    centre_x, centre_y = (x1 + x2) // 2, (y1 + y2) // 2
    half_w, half_h = (x2 - x1) * 11 // 20, (y2 - y1) * 11 // 20
    width, height = size
    return (
        max(centre_x - half_w, 0),
        max(centre_y - half_h, 0),
        min(centre_x + half_w, width),
        min(centre_y + half_h, height),
    )


def crop_square(size: Size, box: Box, expand_ratio: float) -> Box:
    """The square to cut around a face: the box with a margin of `expand_ratio` of its sides, then its short side.

    The margin is clipped to the picture first. The square is centred on what is left, and slides along the longer side
    towards the middle of the face where clipping has pushed it away. Each end is
    rounded to even as the release does, so the sides may differ by two pixels.
    """
    width, height = size
    x1, y1, x2, y2 = box
    margin_x, margin_y = expand_ratio * (x2 - x1), expand_ratio * (y2 - y1)
    left, right = max(x1 - margin_x, 0), min(x2 + margin_x, width)
    top, bottom = max(y1 - margin_y, 0), min(y2 + margin_y, height)
    side = min(right - left, bottom - top)
    centre_x = _slide((left + right) / 2, (x1 + x2) / 2, (right - left - side) / 2)
    centre_y = _slide((top + bottom) / 2, (y1 + y2) / 2, (bottom - top - side) / 2)
    half = side / 2
    return round(centre_x - half), round(centre_y - half), round(centre_x + half), round(centre_y + half)


def _slide(centre: float, towards: float, at_most: float) -> float:
    return centre + max(-at_most, min(towards - centre, at_most))


def resized_size(size: Size, min_resolution: int, multiple: int = 64) -> Size:
    """Size whose short side is `min_resolution`, both sides rounded to the nearest `multiple` (at least one of it).

    The ratio is taken first, as a float: sides that lie half way between two multiples round as in the release.
    """
    ratio = min_resolution / min(size)
    width, height = (max(round(side * ratio / multiple), 1) * multiple for side in size)
    return width, height


def head_box(face: Face, size: Size) -> Box:
    """The box that takes in hair, ears and a little neck, clipped to the picture; a tilted head tilts the reach."""
    points = face.landmarks[:, :2]
    up = points[FOREHEAD] - points[CHIN]
    aside = np.array([-up[1], up[0]])
    beyond = [
        points + up * HAIR_ABOVE,
        points - up * NECK_BELOW,
        points + aside * HEAD_ASIDE,
        points - aside * HEAD_ASIDE,
    ]
    reach = np.concatenate(beyond)
    x1, y1 = np.floor(reach.min(0)).astype(int)
    x2, y2 = np.ceil(reach.max(0)).astype(int)
    width, height = size
    left, top = min(max(int(x1), 0), width - 1), min(max(int(y1), 0), height - 1)
    return left, top, max(min(int(x2), width), left + 1), max(min(int(y2), height), top + 1)
