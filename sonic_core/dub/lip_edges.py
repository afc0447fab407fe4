"""Where the lips of a frame really end: trackers put the inner edge of a lip under a moustache into the teeth.

Teeth are less red than lips and the inside of the mouth is darker. From the tracked edge outwards, the lip begins where
both are over.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter1d, median_filter, uniform_filter1d

from sonic_core.engines.lite.warp import look_up, smoothstep

STEPS = 13  # samples from the inner edge of a lip to the outer one
FARTHEST = 0.75  # share of the lip that can be teeth or gap; beyond it the colours say nothing
PALE, DARK = 0.8, 0.5  # redness over grey, and luminance, of the lip's own, below which a pixel is none of it
MOSTLY = 0.6  # share of the way to the edge that must be none of the lip: a gloss on the lip is no edge
DOUBTED, BELIEVED = 0.2, 0.4  # shares of the lip by which the tracker is off; less is its usual precision


def lip_begins(picture: np.ndarray, inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """(n,) shares of the way from a lip's inner edge (n, 2) px to its outer one at which the lip begins, 0 mostly.

    picture: float32 (h, w, 3), RGB.
    """
    ways = np.linspace(0, 1, STEPS, dtype=np.float32)
    places = inner[:, None] + ways[:, None] * (outer - inner)[:, None]
    colours = look_up(picture, places.astype(np.float32))
    light = colours.sum(-1)
    red = colours[..., 0] / np.maximum(light, 1e-3) - 1 / 3  # 0 for grey
    body = slice(STEPS // 3, STEPS - 1)
    middle = slice(2, -2)  # the corners are thin
    reddest, usual = np.median(red[middle, body].max(1)), np.quantile(light[middle, body], 0.75)
    if reddest <= 0.02:  # a picture without colour
        return np.zeros(len(inner), np.float32)
    is_lip = (red > PALE * reddest) & (light > DARK * usual)
    # The last sample that is none of the lip and has the lip behind it.
    edge = ~is_lip[:, :-2] & is_lip[:, 1:-1] & is_lip[:, 2:] & (ways[1:-1] <= FARTHEST)
    last = edge.shape[1] - 1 - edge[:, ::-1].argmax(1)
    before = np.cumsum(~is_lip, 1)[np.arange(len(last)), last] / (last + 1)
    first = np.where(edge.any(1) & (before >= MOSTLY), ways[last + 1], 0.0)
    # One column alone is a mistake; teeth that are seen in some columns reach into their neighbours.
    first = uniform_filter1d(maximum_filter1d(median_filter(first, 3, mode="nearest"), 3), 3)
    return (first * smoothstep(first, DOUBTED, BELIEVED)).astype(np.float32)
