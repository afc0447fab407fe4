"""Finds by colour where the lips of a frame really begin and end, where a tracker puts their edges in the wrong place.

Under a moustache trackers see the upper lip too low: its inner edge in the teeth, its outer edge in the middle of the
lip. In wide open mouths they take the shadow under the lower lip for lip. Teeth are less red than lips; the inside of
the mouth, a moustache and a shadow are darker.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter1d, median_filter, uniform_filter1d

from sonic_core.engines.lite.landmarks import UPPER_LIP
from sonic_core.engines.lite.warp import look_up, smoothstep

STEPS = 13  # samples from the inner edge of a lip to the outer one
LIT_SHARE = 0.6  # of the reddest sample; if those that are lit are less red, they are skin, and the lip itself is dark
GREY = 0.02  # redness up to which a picture has no colour
MIDDLE = slice(2, -2)  # columns that count: the corners are thin
FARTHEST = 0.75  # share of the lip that can be teeth or gap; beyond it the colours say nothing
PALE, DARK = 0.75, 0.5  # redness over grey, and luminance, of the lip's own, below which a pixel is not lip
MOSTLY = 0.6  # share of the way to the edge that must not be lip: a gloss on the lip is no edge
FARTHEST_END = 1.6  # times the tracked thickness beyond the tracked outer edge at which hair may begin
HAIR = SHADOW = 0.7  # of the lip's luminance; a moustache and a shadow are darker
DOUBTED, BELIEVED = 0.2, 0.4  # shares of the lip by which the tracker is off; less is its usual precision
DEEPEST = 0.4  # share of the lower lip that can be shadow


def lip_begins(picture: np.ndarray, inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """(n,) shares of the way from a lip's inner edge (n, 2) px to its outer one at which the lip begins.

    picture: (h, w, 3) RGB, 0 to 255.
    """
    ways = np.linspace(0, 1, STEPS, dtype=np.float32)
    red, light = _colours(picture, inner, outer, ways)
    body = slice(STEPS // 3, STEPS - 1)
    usual = np.quantile(light[MIDDLE, body], 0.75)
    is_lit = light > DARK * usual  # shadows look redder than they are
    lit = red[MIDDLE, body][is_lit[MIDDLE, body]]
    own_red = np.quantile(lit, 0.7) if len(lit) else 0.0
    reddest = np.median(red[MIDDLE, body].max(1))
    if own_red <= GREY or own_red < LIT_SHARE * reddest:
        return np.zeros(len(inner), np.float32)
    is_lip = (red > PALE * own_red) & is_lit
    # The last sample that is not lip and has the lip behind it.
    edge = ~is_lip[:, :-2] & is_lip[:, 1:-1] & is_lip[:, 2:] & (ways[1:-1] <= FARTHEST)
    last = edge.shape[1] - 1 - edge[:, ::-1].argmax(1)
    before = np.cumsum(~is_lip, 1)[np.arange(len(last)), last] / (last + 1)
    first = np.where(edge.any(1) & (before >= MOSTLY), ways[last + 1], 0.0)
    return _believed(first)


def lip_ends(picture: np.ndarray, inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """(n,) by how many times its tracked thickness the upper lip goes on beyond its outer edge; 0 without a moustache.

    inner, outer: (n, 2) px, its tracked edges; picture: (h, w, 3) RGB, 0 to 255.
    """
    ways = np.linspace(0, 1 + FARTHEST_END, 3 * STEPS, dtype=np.float32)
    red, light = _colours(picture, inner, outer, ways)
    body = (ways > 0.6) & (ways <= 1)
    own_red, own_light = np.median(red[MIDDLE][:, body]), np.median(light[MIDDLE][:, body])
    if own_red <= GREY:
        return np.zeros(len(inner), np.float32)
    beyond = ways > 1
    is_hair = (light < HAIR * own_light) & beyond
    first = is_hair.argmax(1)
    # Red up to the hair: the shadow of the nose on bare skin is no moustache on the lip.
    reds = np.cumsum((red > PALE * own_red) & beyond, 1)[np.arange(len(first)), first]
    is_sure = is_hair.any(1) & (reds >= MOSTLY * np.cumsum(beyond)[first])
    ends = np.where(is_sure, ways[first] - 1, 0.0)
    return _believed(ends)


def upper_lip_ends(picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """(11,) `lip_ends` of a face with landmarks (478, 3) in a picture uint8 (h, w, 3)."""
    lip = landmarks[UPPER_LIP, :2]
    return lip_ends(picture, lip[3], lip[0])


def shadow_begins(picture: np.ndarray, inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """(n,) the share of a lower lip, from its outer edge inwards, that is really the shadow under it.

    inner, outer: (n, 2) px, its tracked edges; picture: (h, w, 3) RGB, 0 to 255.
    """
    ways = np.linspace(1, 0, STEPS, dtype=np.float32)
    _, light = _colours(picture, inner, outer, ways)
    own_light = np.median(light[MIDDLE][:, (ways > 0.4) & (ways < 0.75)])
    is_lip = light > SHADOW * own_light
    found = np.where(is_lip.any(1), 1 - ways[is_lip.argmax(1)], 0.0)
    return _believed(np.where(found <= DEEPEST, found, 0.0), DOUBTED / 2, BELIEVED / 2)


def _colours(
    picture: np.ndarray, inner: np.ndarray, outer: np.ndarray, ways: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Redness (0: grey) and luminance, each (n, ways), along the ways from inner (n, 2) to outer edges and beyond."""
    places = inner[:, None] + ways[:, None] * (outer - inner)[:, None]
    last = np.array([picture.shape[1], picture.shape[0]]) - 1
    low = np.clip(np.floor(places.min((0, 1))), 0, last).astype(int)
    high = np.clip(np.ceil(places.max((0, 1))), 0, last).astype(int)
    part = picture[low[1] : high[1] + 1, low[0] : high[0] + 1].astype(np.float32)
    colours = look_up(part, (places - low).astype(np.float32))
    light = colours.sum(-1)
    return colours[..., 0] / np.maximum(light, 1e-3) - 1 / 3, light


def _believed(found: np.ndarray, doubted: float = DOUBTED, believed: float = BELIEVED) -> np.ndarray:
    """Shares (n,) without outliers: one column alone is a mistake, and what several show holds for their neighbours."""
    spread = uniform_filter1d(maximum_filter1d(median_filter(found, 3, mode="nearest"), 3), 3)
    return (spread * smoothstep(spread, doubted, believed)).astype(np.float32)
