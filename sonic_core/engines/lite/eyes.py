"""Blinks and glances: where the pixels around one eye come from.

An eye is described along the line between its corners: the edge of the upper lid, the edge of the lower one, and the
line where they meet when shut. A photo of an open eye does not show the lid's skin, so it is filled in from around
the eye; closing draws it down over the eyeball with the lashes at its rim. A glance moves the iris a little inside
the opening; the glint in it stays, as the light does.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sonic_core.engines.lite.texture import Texture
from sonic_core.engines.lite.warp import along, smoothstep

MEETING = 0.18  # of the opening, from the lower lid: where the lids meet
# In widths of the eye:
BAG = 0.30  # how far below the eye the lower lid's movement reaches
RIM = 0.11  # the strip above the edge of the upper lid, with its lashes, that travels with it
LASH = 0.015  # and the lashes' dark line below the edge
EDGE = 0.012  # how far above its found edge the upper lid is surely lid
FILL_ABOVE, FILL_BELOW = 0.22, 0.10  # what round the opening is lashes and shadow, no skin to fill from
# The fold over a shut lid: how dark it is, and how high and wide in widths of the eye.
CREASE, CREASE_ABOVE, CREASE_WIDTH = 0.07, 0.02, 0.035
LID_SKIN, LID_LIGHT = 0.35, 0.92  # how much of a lid's colour is that of the lit skin round the eye, and how bright
GLANCE = np.array([0.42, 0.20], np.float32)  # of the iris's radius: how far a glance of strength one moves it
CURVE = 24  # samples along the eye


@dataclass(frozen=True)
class Eye:
    """One eye in the photo; `u` runs along the eye (0 and 1 are its corners), `v` downwards, both in px."""

    corner: np.ndarray  # (2,) px
    across: np.ndarray  # (2,) unit vector from the left corner to the right one
    width: float  # px
    upper: np.ndarray  # (CURVE,) v of the lids' edges from corner to corner
    lower: np.ndarray
    lid: Texture  # skin of the shut lid
    ball: Texture  # the eye without the glint of a lamp or a window
    glint: Texture  # and that glint, to be added
    iris: np.ndarray  # (2,) (u, v) of its centre
    radius: float

    def box(self) -> np.ndarray:
        """(4, 2) px corners of the part of the photo that a blink can change."""
        down = np.array([-self.across[1], self.across[0]], np.float32)
        v = (self.upper.min() - 2 * RIM * self.width, self.lower.max() + BAG * self.width)
        return np.stack([self.corner + u * self.width * self.across + y * down for u in (-0.1, 1.1) for y in v])


def make_eye(photo: np.ndarray, upper: np.ndarray, lower: np.ndarray, iris: np.ndarray) -> Eye:
    """From the photo, (9, 2) lid points and (5, 2) iris points in px."""
    corner, width = upper[0], float(np.linalg.norm(upper[-1] - upper[0]))
    across = (upper[-1] - upper[0]) / width
    down = np.array([-across[1], across[0]], np.float32)

    def on_eye(points: np.ndarray) -> np.ndarray:
        return np.stack([along(points - corner, across), along(points - corner, down)], -1)

    above, below = (_smooth_curve(on_eye(lid), width) for lid in (upper, lower))
    below = np.maximum(above, below)
    centre = on_eye(iris)
    radius = float(np.linalg.norm(centre[1:] - centre[0], axis=1).mean())
    u = np.linspace(0, 1, CURVE)[:, None] * width * across + corner
    rim = np.concatenate([u + (above - FILL_ABOVE * width)[:, None] * down,
                          (u + (below + FILL_BELOW * width)[:, None] * down)[::-1]])  # fmt: skip
    low, part, mask = _part(photo, rim, width)
    place = float(low[0]), float(low[1])
    glint = _glint(part, centre[0] @ np.stack([across, down]) + corner - low, radius)
    return Eye(
        corner, across, width, above, below, Texture(_lid(part, mask, width), place),
        Texture(part - glint, place), Texture(glint, place), centre[0], radius,
    )  # fmt: skip


def _part(photo: np.ndarray, outline: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The photo round an (m, 2) outline: its corner (2,) px, its pixels, and a mask of what lies inside the outline."""
    pad = 0.3 * width
    limit = [photo.shape[1], photo.shape[0]]
    low = np.clip(np.floor(outline.min(0) - pad), 0, np.array(limit) - 2).astype(int)
    high = np.clip(np.ceil(outline.max(0) + pad), low + 2, limit).astype(int)
    part = photo[low[1] : high[1], low[0] : high[0]]
    mask = np.zeros(part.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round((outline - low) * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
    return low, part, mask


def _lid(part: np.ndarray, mask: np.ndarray, width: float) -> np.ndarray:
    """The part with its masked inside filled smoothly from around it, towards the colour of the skin that is lit.

    What is next to an open eye lies in its shadow: lids filled from there alone would be grey.
    """
    filled = cv2.inpaint(part, mask, 3, cv2.INPAINT_TELEA)
    smooth = cv2.GaussianBlur(filled, (0, 0), max(0.09 * width, 0.5)).astype(np.float32)
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.03 * width, 0.5)).astype(np.float32)[..., None] / 255
    around = part[mask == 0].astype(np.float32)
    if len(around):
        light = around.sum(1)
        lit = around[(light >= np.percentile(light, 40)) & (light <= np.percentile(light, 90))].mean(0)
        inner = cv2.GaussianBlur(mask, (0, 0), max(0.06 * width, 0.5)).astype(np.float32)[..., None] / 255
        smooth += LID_SKIN * inner * (LID_LIGHT * lit - smooth)
    return np.clip(filled + (smooth - filled) * soft + 0.5, 0, 255).astype(np.uint8)


def _glint(part: np.ndarray, iris: np.ndarray, radius: float) -> np.ndarray:
    """(h, w, 3) uint8 what small bright spots in the iris are brighter than the iris round them."""
    size = 2 * max(1, round(0.45 * radius)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    spots = part - cv2.min(part, cv2.morphologyEx(part, cv2.MORPH_OPEN, kernel))
    y, x = np.mgrid[: part.shape[0], : part.shape[1]]
    near = smoothstep(np.hypot(x - iris[0], y - iris[1]), 0.95 * radius, 0.75 * radius)
    return (spots * near[..., None]).astype(np.uint8)


def _smooth_curve(points: np.ndarray, width: float) -> np.ndarray:
    """(CURVE,) a lid's edge through both corners: the landmarks' least-squares quartic."""
    x = np.clip(points[1:-1, 0] / width, 0.02, 0.98)
    shape = (x * (1 - x))[:, None] * np.stack([np.ones_like(x), x, x * x], -1)
    factors = np.linalg.lstsq(shape, points[1:-1, 1], rcond=None)[0]
    t = np.linspace(0, 1, CURVE)
    return ((t * (1 - t))[:, None] * np.stack([np.ones_like(t), t, t * t], -1) @ factors).astype(np.float32)


def draw_eye(
    eye: Eye, photo: Texture, seen: np.ndarray, source: np.ndarray, shut: float, glance: np.ndarray
) -> np.ndarray:
    """The eye's region with its lids and gaze moved: uint8 (h, w, 3).

    `seen` (h, w, 3) is the region as it is, and `source` (h, w, 2) where in the photo its pixels come from.
    """
    down = np.array([-eye.across[1], eye.across[0]], np.float32)
    offset = source - eye.corner
    u, v = along(offset, eye.across), along(offset, down)
    inside = np.clip(u / eye.width, 0, 1)
    at = (inside * (CURVE - 1)).astype(np.float32)
    row = np.zeros_like(at)

    def curve(values: np.ndarray) -> np.ndarray:
        return cv2.remap(values[None], at, row, cv2.INTER_LINEAR)

    upper, lower = curve(eye.upper), curve(eye.lower)
    meeting = lower - MEETING * (lower - upper)
    lids = _Lids(
        u, v, inside, upper, lower, upper + shut * (meeting + 0.5 - upper), lower + shut * (meeting - 0.5 - lower)
    )
    skin = _with_lids(eye, photo, source, lids, shut) if shut > 0.01 else seen
    lash = shut * LASH * eye.width * smoothstep(np.minimum(inside, 1 - inside), 0.0, 0.15)
    opening = np.clip(v - lids.upper_now - lash + 0.5, 0, 1) * np.clip(lids.lower_now - v + 0.5, 0, 1)
    if not opening.any():
        return np.clip(skin + 0.5, 0, 255).astype(np.uint8)

    # Eyeball: the iris and what is next to it follow the glance; the whites give way towards corners and lids.
    shift = glance * GLANCE * eye.radius * np.array([1, -1], np.float32)
    away = np.abs(u - eye.iris[0])
    corner = np.minimum(eye.iris[0], eye.width - eye.iris[0])
    sideways = smoothstep(away, max(corner, 1.3 * eye.radius), 0.9 * eye.radius)
    margin = np.minimum(v - upper, lower - v) / max(eye.radius, 1.0)
    vertical = smoothstep(margin, 0.0, 0.6) * sideways
    ball = eye.ball.look_up(_place(eye, u - shift[0] * sideways, v - shift[1] * vertical)).astype(np.float32)
    ball += eye.glint.look_up(source)
    if shut > 0.01:  # a closing lid shades the eye under it
        ball *= (1 - 0.35 * shut * smoothstep(v - lids.upper_now, 0.25 * eye.width, 0.0))[..., None].astype(np.float32)
    return np.clip(_mix(skin, ball, opening) + 0.5, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class _Lids:
    """Each (h, w): place along and across the eye, px; the share along; the lids' edges in the photo and now."""

    u: np.ndarray
    v: np.ndarray
    inside: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    upper_now: np.ndarray
    lower_now: np.ndarray


def _with_lids(eye: Eye, photo: Texture, source: np.ndarray, lids: _Lids, shut: float) -> np.ndarray:
    """The region float32 (h, w, 3) with skin drawn over the closing eye; what is still open is to be drawn over it."""
    u, v, inside, upper, lower = lids.u, lids.v, lids.inside, lids.upper, lids.lower
    drop = lids.upper_now - upper
    lash = LASH * eye.width * smoothstep(np.minimum(inside, 1 - inside), 0.0, 0.15)
    # The lower lid: its movement dies out towards the cheek.
    bag = lower + BAG * eye.width
    rise = np.clip((bag - v) / np.maximum(bag - lids.lower_now, 1), 0, 1)
    below = v > (lids.upper_now + lids.lower_now) / 2
    from_below = np.where(below, v - (lids.lower_now - lower) * smoothstep(rise, 0, 1), v)
    skin = photo.look_up(_place(eye, u, from_below))
    # The upper lid, over the eye and over where its lashes were; then the lashes where they are now.
    begun, over_eye = smoothstep(drop, 0, 1), np.clip(lids.upper_now + lash * shut - v + 0.5, 0, 1)
    above = smoothstep(v - upper, -FILL_ABOVE * eye.width, -0.30 * FILL_ABOVE * eye.width)
    lid = np.maximum(above * smoothstep(np.asarray(shut), 0.0, 0.25), v > upper) * over_eye
    # Shut, the whites are gone even where the edge of the lower lid was found a little too high.
    beneath = smoothstep(v - lower, FILL_BELOW * eye.width, 0.3 * FILL_BELOW * eye.width) * (v > lids.lower_now)
    lid = np.maximum(lid, beneath * smoothstep(np.asarray(shut), 0.6, 0.95) * smoothstep(inside * (1 - inside), 0, 0.1))
    fold = _crease(lids, eye.width) * smoothstep(np.asarray(shut), 0.3, 0.9)
    skin = _mix(skin, eye.lid.look_up(source) * (1 - CREASE * fold)[..., None], lid * begun)
    rim = smoothstep(v - lids.upper_now, -RIM * eye.width, -0.4 * RIM * eye.width)
    # Below the lid's edge the photo shows the eye: the lashes go on from just above it.
    lashes = photo.look_up(_place(eye, u, np.minimum(v - drop, upper - EDGE * eye.width)))
    return _mix(skin, lashes, rim * over_eye * begun)


def _crease(lids: _Lids, width: float) -> np.ndarray:
    """(h, w) the fold over a shut lid: a soft line a little above where the open lid's edge was."""
    line = lids.upper - CREASE_ABOVE * width * 4 * lids.inside * (1 - lids.inside)
    ends = smoothstep(np.minimum(lids.inside, 1 - lids.inside), 0.02, 0.2)
    return np.exp(-(((lids.v - line) / (CREASE_WIDTH * width)) ** 2)) * ends


def _mix(under: np.ndarray, over: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return under + (over.astype(np.float32) - under) * alpha[..., None].astype(np.float32)


def _place(eye: Eye, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """(h, w, 2) float32 pixel coordinates of (u, v) on the eye."""
    down = np.array([-eye.across[1], eye.across[0]], np.float32)
    return (eye.corner + u[..., None] * eye.across + v[..., None] * down).astype(np.float32)
