"""Blinks and glances: where the pixels around one eye come from.

An eye is described along the line between its corners: the edge of the upper lid, the edge of the lower one, and the
line where they meet when shut. Closing stretches the lid's own skin, lashes and all, down over the eye; the eyeball
under it stays where it is, and a glance moves the iris a little inside the opening.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sonic_core.engines.lite.warp import smoothstep

MEETING = 0.18  # of the opening, from the lower lid: where the lids meet
FOLD = 0.50  # of the eye's width: how far above the lid's edge its skin is stretched
BAG = 0.30  # and how far below
LASH = 0.035  # of the eye's width: the lashes' dark line, which travels with the lid
GLANCE = np.float32([0.42, 0.20])  # of the iris's radius: how far a glance of strength one moves it
CURVE = 24  # samples along the eye


@dataclass(frozen=True)
class Eye:
    """One eye in the photo; `u` runs along the eye (0 and 1 are its corners), `v` downwards, both in px."""

    corner: np.ndarray  # (2,) px
    across: np.ndarray  # (2,) unit vector from the left corner to the right one
    width: float  # px
    upper: np.ndarray  # (CURVE,) v of the lids' edges from corner to corner
    lower: np.ndarray
    room: float  # px of skin above the upper lid that can stretch, up to the brow
    iris: np.ndarray  # (2,) (u, v) of its centre
    radius: float

    def box(self) -> np.ndarray:
        """(4, 2) px corners of the part of the photo that a blink can change."""
        down = np.float32([-self.across[1], self.across[0]])
        v = (self.upper.min() - self.room, self.lower.max() + BAG * self.width)
        return np.stack([self.corner + u * self.width * self.across + y * down for u in (-0.1, 1.1) for y in v])


def make_eye(upper: np.ndarray, lower: np.ndarray, iris: np.ndarray, brow: np.ndarray) -> Eye:
    """From (9, 2) lid points, (5, 2) iris points and (k, 2) brow points in px."""
    corner, width = upper[0], float(np.linalg.norm(upper[-1] - upper[0]))
    across = (upper[-1] - upper[0]) / width
    down = np.float32([-across[1], across[0]])

    def along(points: np.ndarray) -> np.ndarray:
        return np.stack([(points - corner) @ across, (points - corner) @ down], -1)

    curves = [_smooth_curve(along(lid), width) for lid in (upper, lower)]
    edge = curves[0].min()
    room = np.clip(edge - along(brow)[:, 1].max(), 0.22 * width, FOLD * width)
    centre = along(iris)
    radius = float(np.linalg.norm(centre[1:] - centre[0], axis=1).mean())
    middle = np.maximum(curves[1], curves[0])
    return Eye(corner, across, width, curves[0], middle, float(room), centre[0], radius)


def _smooth_curve(points: np.ndarray, width: float) -> np.ndarray:
    """(CURVE,) a lid's edge through both corners: the landmarks' least-squares quartic."""
    x = np.clip(points[1:-1, 0] / width, 0.02, 0.98)
    shape = (x * (1 - x))[:, None] * np.stack([np.ones_like(x), x, x * x], -1)
    factors = np.linalg.lstsq(shape, points[1:-1, 1], rcond=None)[0]
    t = np.linspace(0, 1, CURVE)
    return ((t * (1 - t))[:, None] * np.stack([np.ones_like(t), t, t * t], -1) @ factors).astype(np.float32)


def draw_eye(eye: Eye, photo: np.ndarray, source: np.ndarray, shut: float, glance: np.ndarray) -> np.ndarray:
    """The eye's region with its lids and gaze moved: uint8 (h, w, 3).

    `source` (h, w, 2) says where in the photo each pixel of the region would come from with the eye as it is.
    """
    down = np.float32([-eye.across[1], eye.across[0]])
    offset = source - eye.corner
    u, v = offset @ eye.across, offset @ down
    inside = np.clip(u / eye.width, 0, 1)
    at = (inside * (CURVE - 1)).astype(np.float32)
    row = np.zeros_like(at)

    def curve(values: np.ndarray) -> np.ndarray:
        return cv2.remap(values[None].astype(np.float32), at, row, cv2.INTER_LINEAR)

    upper, lower = curve(eye.upper), curve(eye.lower)
    lash = LASH * eye.width * smoothstep(np.minimum(inside, 1 - inside), 0.0, 0.15)
    meeting = lower - MEETING * (lower - upper)
    upper_now = upper + shut * (meeting + 0.5 - upper)
    lower_now = lower + shut * (meeting - 0.5 - lower)

    # Skin: the movement of the edge dies out towards the brow and the cheek.
    top = upper - eye.room
    falloff = np.clip((v - top) / np.maximum(upper_now - top, 1), 0, 1) ** 1.5
    bottom = lower + BAG * eye.width
    rise = np.clip((bottom - v) / np.maximum(bottom - lower_now, 1), 0, 1) ** 1.5
    from_above = v - (upper_now - upper) * falloff
    from_below = v - (lower_now - lower) * rise
    is_upper = v < (upper_now + lower_now) / 2 + lash * shut
    skin_v = np.where(is_upper, from_above, from_below)
    skin = cv2.remap(photo, _place(eye, u, skin_v), None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    opening = np.clip(v - upper_now - lash * shut + 0.5, 0, 1) * np.clip(lower_now - v + 0.5, 0, 1)
    opening = opening[..., None]
    if not opening.any():
        return skin

    # Eyeball: the iris and what is next to it follow the glance; the whites give way towards corners and lids.
    shift = glance * GLANCE * eye.radius * np.float32([1, -1])
    away = np.abs(u - eye.iris[0])
    corner = np.minimum(eye.iris[0], eye.width - eye.iris[0])
    sideways = smoothstep(away, max(corner, 1.3 * eye.radius), 0.9 * eye.radius)
    margin = np.minimum(v - upper, lower - v) / max(eye.radius, 1.0)
    vertical = smoothstep(margin, 0.0, 0.6) * sideways
    ball_u, ball_v = u - shift[0] * sideways, v - shift[1] * vertical
    ball = cv2.remap(photo, _place(eye, ball_u, ball_v), None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    # A closing lid shades the eye under it.
    shade = 1 - 0.35 * shut * smoothstep(v - upper_now, 0.25 * eye.width, 0.0)
    mixed = skin * (1 - opening) + ball * (shade[..., None] * opening)
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def _place(eye: Eye, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """(h, w, 2) float32 pixel coordinates of (u, v) on the eye."""
    down = np.float32([-eye.across[1], eye.across[0]])
    return (eye.corner + u[..., None] * eye.across + v[..., None] * down).astype(np.float32)
