"""Blinks and glances, drawn into the texture of the photo before the head's movement reads it.

An eye is described along the line between its corners: the edge of the upper lid, the edge of the lower one, and the
line where they meet when shut. A photo of an open eye does not show the lid's skin, so it is filled in from around
the eye; closing draws it down over the eyeball with the lashes at its rim. A glance moves the iris a little inside
the opening; the glint in it stays, as the light does.

How the lids look depends on nothing but how far they are shut, so a blink is drawn in LEVELS steps, each when it is
first needed, and a frame mixes the two nearest.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sonic_core.engines.lite.texture import Texture, read
from sonic_core.engines.lite.warp import along, box_of, filled_polygon, smoothstep

LEVELS = 32  # steps of a blink
MEETING = 0.18  # of the opening, from the lower lid: where the lids meet
# In widths of the eye:
BAG = 0.30  # how far below the eye the lower lid's movement reaches
RIM = 0.11  # the strip above the edge of the upper lid, with its lashes, that travels with it
LASH = 0.015  # and the lashes' dark line below the edge
EDGE = 0.012  # how far above its detected edge the upper lid is certainly skin
FILL_ABOVE, FILL_BELOW = 0.22, 0.10  # lashes and shadow round the opening, from which no skin can be filled in
# The fold over a shut lid: how dark it is, and how high and wide in widths of the eye.
CREASE, CREASE_ABOVE, CREASE_WIDTH = 0.07, 0.02, 0.035
LID_SKIN, LID_LIGHT = 0.35, 0.92  # how much of a lid's colour is that of the lit skin round the eye, and how bright
SHADED = 0.35  # of its light that the eyeball loses under a lid that is nearly shut
GLANCE = np.array([0.42, 0.20], np.float32)  # of the iris's radius: how far a glance of strength one moves it
CURVE = 24  # samples along the eye


@dataclass(frozen=True)
class EyeShape:
    """One eye in the photo; `u` runs along the eye (0 and 1 are its corners), `v` downwards, both in px."""

    corner: np.ndarray  # (2,) px
    across: np.ndarray  # (2,) unit vector from the left corner to the right one
    width: float  # px
    upper: np.ndarray  # (CURVE,) v of the lids' edges from corner to corner
    lower: np.ndarray
    iris: np.ndarray  # (2,) (u, v) of its centre
    radius: float

    @property
    def down(self) -> np.ndarray:
        """(2,) unit vector across the eye, downwards."""
        return np.array([-self.across[1], self.across[0]], np.float32)

    def box(self) -> np.ndarray:
        """(4, 2) px corners of the part of the photo that a blink can change."""
        top, bottom = self.upper.min() - 2 * RIM * self.width, self.lower.max() + BAG * self.width
        return self.place(self.width * np.array([-0.1, 1.1, 1.1, -0.1]), np.array([top, top, bottom, bottom]))

    def place(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """(..., 2) float32 px of the photo at (...) u and v."""
        return (self.corner + u[..., None] * self.across + v[..., None] * self.down).astype(np.float32)


def eye_shape(upper: np.ndarray, lower: np.ndarray, iris: np.ndarray) -> EyeShape:
    """See `make_eye`."""
    corner, width = upper[0], float(np.linalg.norm(upper[-1] - upper[0]))
    across = (upper[-1] - upper[0]) / width
    down = np.array([-across[1], across[0]], np.float32)

    def on_eye(points: np.ndarray) -> np.ndarray:
        return np.stack([along(points - corner, across), along(points - corner, down)], -1)

    above, below = (_smooth_curve(on_eye(lid), width) for lid in (upper, lower))
    centre = on_eye(iris)
    radius = float(np.linalg.norm(centre[1:] - centre[0], axis=1).mean())
    return EyeShape(corner, across, width, above, np.maximum(above, below), centre[0], radius)


def _smooth_curve(points: np.ndarray, width: float) -> np.ndarray:
    """(CURVE,) a lid's edge through both corners: the landmarks' least-squares quartic."""
    x = np.clip(points[1:-1, 0] / width, 0.02, 0.98)
    shape = (x * (1 - x))[:, None] * np.stack([np.ones_like(x), x, x * x], -1)
    factors = np.linalg.lstsq(shape, points[1:-1, 1], rcond=None)[0]
    t = np.linspace(0, 1, CURVE)
    return ((t * (1 - t))[:, None] * np.stack([np.ones_like(t), t, t * t], -1) @ factors).astype(np.float32)


def make_eye(skin: Texture, photo: np.ndarray, upper: np.ndarray, lower: np.ndarray, iris: np.ndarray) -> Eye | None:
    """The eye with (9, 2) points on each lid and (5, 2) iris points in px; None where it lies outside the picture."""
    shape = eye_shape(upper, lower, iris)
    rows, columns = skin.part(shape.box())
    return Eye(skin, photo, shape) if min(rows.stop - rows.start, columns.stop - columns.start) > 4 else None


class Eye:
    """One eye in a texture of the photo. `draw` changes the texture's pixels in place."""

    def __init__(self, skin: Texture, photo: np.ndarray, shape: EyeShape):
        self.skin, self.shape = skin, shape
        self.part = skin.part(shape.box())
        self.open = skin.pixels[self.part].copy()  # as the photo shows it
        places = skin.places(self.part)  # (h, w, 2) px of the photo
        offset = places - shape.corner
        self.u, self.v = along(offset, shape.across), along(offset, shape.down)  # (h, w), as all of the following
        self.inside = np.clip(self.u / shape.width, 0, 1)
        self.upper, self.lower = self._curve(shape.upper), self._curve(shape.lower)
        self.lash = LASH * shape.width * smoothstep(np.minimum(self.inside, 1 - self.inside), 0.0, 0.15)
        low, part, mask = _around(photo, shape)
        corner = float(low[0]), float(low[1])
        self.lid = Texture(_lid(part, mask, shape.width), corner).look_up(places)  # (h, w, 3) skin of the shut lid
        self.levels: dict[int, tuple[np.ndarray, np.ndarray]] = {}

        # The part in which the eyeball shows, and what a glance of strength one moves there, across and upwards.
        opening = self._opening(self.upper, self.lower, 0)
        self.hole = box_of(opening > 0) or np.s_[:1, :1]
        glint = _glint(part, shape.place(*shape.iris) - low, shape.radius)
        self.ball = Texture(part - glint, corner)
        self.glint = Texture(glint, corner).look_up(places[self.hole])
        self.at_rest = self.ball.own(places[self.hole])
        self.sideways, self.upwards = self._glances()

    def draw(self, shut: float, glance: np.ndarray) -> None:
        """Lids shut from 0 (as in the photo) to 1, and the gaze moved by a glance (2,), see layout.py."""
        level = float(np.clip(shut, 0, 1)) * LEVELS
        before, share = int(level), level % 1
        skin, light = self._lids(before)
        if share > 0:
            pairs = zip((skin, light), self._lids(before + 1), strict=True)
            skin, light = (cv2.addWeighted(a, 1 - share, b, share, 0) for a, b in pairs)
        self.skin.pixels[self.part] = skin
        if light.any():
            hole = self.skin.pixels[self.part][self.hole]
            hole[:] = cv2.add(hole, cv2.multiply(self._eyeball(glance), cv2.merge([light] * 3), scale=1 / 255))

    def _eyeball(self, glance: np.ndarray) -> np.ndarray:
        """uint8 (h, w, 3) of the hole: the iris and what is next to it follow the glance, the glint stays."""
        places = cv2.scaleAdd(self.sideways, -float(glance[0]), self.at_rest)
        return cv2.add(self.ball.at(cv2.scaleAdd(self.upwards, float(glance[1]), places)), self.glint)

    def _glances(self) -> np.ndarray:
        """(2, h, w, 2) how far glances to the right and upwards move the hole, in px of the ball's texture.

        The whites give way towards corners and lids.
        """
        shape, u, v = self.shape, self.u[self.hole], self.v[self.hole]
        upper, lower = self.upper[self.hole], self.lower[self.hole]
        corner = np.minimum(shape.iris[0], shape.width - shape.iris[0])
        sideways = smoothstep(np.abs(u - shape.iris[0]), max(corner, 1.3 * shape.radius), 0.9 * shape.radius)
        margin = np.minimum(v - upper, lower - v) / max(shape.radius, 1.0)
        upwards = smoothstep(margin, 0.0, 0.6) * sideways
        across, down = GLANCE[:, None] * shape.radius * self.ball.density * np.stack([shape.across, shape.down])
        return np.stack([sideways[..., None] * across, upwards[..., None] * down]).astype(np.float32)

    def _curve(self, values: np.ndarray) -> np.ndarray:
        """(h, w) values (CURVE,) along the eye."""
        at = self.inside * np.float32(CURVE - 1)
        return cv2.remap(values[None], at, np.zeros_like(at), cv2.INTER_LINEAR)

    def _opening(self, upper: np.ndarray, lower: np.ndarray, shut: float) -> np.ndarray:
        """(h, w) from 0 to 1: where the eyeball shows between lids whose edges are now at `upper` and `lower`."""
        return np.clip(self.v - upper - shut * self.lash + 0.5, 0, 1) * np.clip(lower - self.v + 0.5, 0, 1)

    def _lids(self, level: int) -> tuple[np.ndarray, np.ndarray]:
        """A step of a blink: uint8 (h, w, 3) skin with a black hole, and uint8 (h, w) of the hole, the eyeball's light.

        A closing lid shades the eye under it.
        """
        if level not in self.levels:
            shut = level / LEVELS
            meeting = self.lower - MEETING * (self.lower - self.upper)
            upper = self.upper + shut * (meeting + 0.5 - self.upper)
            lower = self.lower + shut * (meeting - 0.5 - self.lower)
            skin = self._with_lids(upper, lower, shut) if level else self.open
            opening = self._opening(upper, lower, shut)
            shade = 1 - SHADED * shut * smoothstep(self.v - upper, 0.25 * self.shape.width, 0.0)
            skin = np.rint(skin * (1 - opening)[..., None]).astype(np.uint8)
            self.levels[level] = skin, np.rint(255 * opening * shade).astype(np.uint8)[self.hole]
        return self.levels[level]

    def _with_lids(self, upper_now: np.ndarray, lower_now: np.ndarray, shut: float) -> np.ndarray:
        """(h, w, 3) the skin with both lids drawn; the open part of the eye is drawn over it later."""
        width, v, inside, upper, lower = self.shape.width, self.v, self.inside, self.upper, self.lower
        closed = np.asarray(shut)
        drop = upper_now - upper
        # The lower lid: its movement dies out towards the cheek.
        bag = lower + BAG * width
        rise = np.clip((bag - v) / np.maximum(bag - lower_now, 1), 0, 1)
        below = v > (upper_now + lower_now) / 2
        skin = self._read(np.where(below, v - (lower_now - lower) * smoothstep(rise, 0, 1), v))
        # The upper lid, over the eye and over where its lashes were; then the lashes where they are now.
        begun, over_eye = smoothstep(drop, 0, 1), np.clip(upper_now + self.lash * shut - v + 0.5, 0, 1)
        above = smoothstep(v - upper, -FILL_ABOVE * width, -0.30 * FILL_ABOVE * width)
        lid = np.maximum(above * smoothstep(closed, 0.0, 0.25), v > upper) * over_eye
        # Shut, the whites are gone even where the edge of the lower lid was found a little too high.
        beneath = smoothstep(v - lower, FILL_BELOW * width, 0.3 * FILL_BELOW * width) * (v > lower_now)
        lid = np.maximum(lid, beneath * smoothstep(closed, 0.6, 0.95) * smoothstep(inside * (1 - inside), 0, 0.1))
        fold = self._crease() * smoothstep(closed, 0.3, 0.9)
        skin = _mix(skin, self.lid * (1 - CREASE * fold)[..., None], lid * begun)
        rim = smoothstep(v - upper_now, -RIM * width, -0.4 * RIM * width)
        # Below the lid's edge the photo shows the eye: the lashes go on from just above it.
        lashes = self._read(np.minimum(v - drop, upper - EDGE * width))
        return _mix(skin, lashes, rim * over_eye * begun)

    def _read(self, v: np.ndarray) -> np.ndarray:
        """uint8 (h, w, 3) what the photo shows at other heights `v` (h, w) of the eye."""
        rows, columns = self.part
        own = self.skin.own(self.shape.place(self.u, v)) - np.array([columns.start, rows.start], np.float32)
        return read(self.open, own)

    def _crease(self) -> np.ndarray:
        """(h, w) the fold over a shut lid: a soft line a little above where the open lid's edge was."""
        line = self.upper - CREASE_ABOVE * self.shape.width * 4 * self.inside * (1 - self.inside)
        ends = smoothstep(np.minimum(self.inside, 1 - self.inside), 0.02, 0.2)
        return np.exp(-(((self.v - line) / (CREASE_WIDTH * self.shape.width)) ** 2)) * ends


def _around(photo: np.ndarray, shape: EyeShape) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Round the opening of an eye: the corner (2,) px, the pixels, and a mask of the eye with lashes and shadow."""
    u = np.linspace(0, shape.width, CURVE, dtype=np.float32)
    outline = np.concatenate([shape.place(u, shape.upper - FILL_ABOVE * shape.width),
                              shape.place(u, shape.lower + FILL_BELOW * shape.width)[::-1]])  # fmt: skip
    pad = 0.3 * shape.width
    limit = [photo.shape[1], photo.shape[0]]
    low = np.clip(np.floor(outline.min(0) - pad), 0, np.array(limit) - 2).astype(int)
    high = np.clip(np.ceil(outline.max(0) + pad), low + 2, limit).astype(int)
    part = photo[low[1] : high[1], low[0] : high[0]]
    return low, part, filled_polygon(part.shape[:2], outline - low)


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
    """(h, w, 3) uint8: by how much small bright spots in the iris exceed the iris round them."""
    size = 2 * max(1, round(0.45 * radius)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    spots = part - cv2.min(part, cv2.morphologyEx(part, cv2.MORPH_OPEN, kernel))
    y, x = np.mgrid[: part.shape[0], : part.shape[1]]
    near = smoothstep(np.hypot(x - iris[0], y - iris[1]), 0.95 * radius, 0.75 * radius)
    return (spots * near[..., None]).astype(np.uint8)


def _mix(under: np.ndarray, over: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return under + (over.astype(np.float32) - under) * alpha[..., None].astype(np.float32)
