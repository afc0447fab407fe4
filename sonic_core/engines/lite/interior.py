"""What is seen between the lips: the photo's own teeth where it shows them, painted ones elsewhere.

Two layers are painted once per portrait, in the photo's pixels at twice their density. The skull layer holds the
upper teeth and never moves with the lips; the jaw layer holds the lower teeth and the tongue and follows the chin.
Behind both is the dark of the mouth. Colours come from the photo: the whites of the eyes say how bright a tooth is
in this light, the lips how red the dark is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sonic_core.engines.lite.landmarks import (
    LEFT_LOWER_LID,
    LEFT_UPPER_LID,
    LOWER_INNER,
    LOWER_LIP,
    RIGHT_LOWER_LID,
    RIGHT_UPPER_LID,
    UPPER_INNER,
    UPPER_LIP,
)
from sonic_core.engines.lite.pose import FaceFit
from sonic_core.engines.lite.warp import look_up, smoothstep

DENSITY = 2  # texture pixels in a photo pixel
# The dental arch, canonical units: half its width, its depth, and its front compared to the lips.
ARCH_WIDTH, ARCH_DEPTH, BEHIND_LIPS = 0.47, 0.55, 0.10
# Widths and heights from the middle outwards: incisors, canine, premolars, molar (mean adult teeth, 56 mm a unit).
UPPER_TEETH = [(0.150, 0.185), (0.118, 0.165), (0.134, 0.180), (0.122, 0.150), (0.120, 0.140), (0.17, 0.13)]
LOWER_TEETH = [(0.095, 0.16), (0.105, 0.16), (0.122, 0.17), (0.125, 0.145), (0.125, 0.14), (0.17, 0.13)]
UPPER_EDGE, LOWER_EDGE = 0.022, 0.03  # how far below the line between the lips the teeth end, or begin
IVORY = np.array([1.0, 0.955, 0.87], np.float32)
SLIT = 0.10  # canonical units: an opening that is lit to its full depth
WARMTH = np.array([0.95, 1.10, 1.15], np.float32)  # exponents of the light in a slit, for red, green and blue
OWN_TEETH_FROM = 0.02  # opening of the photo's mouth, in face heights, from which its inside is worth keeping


@dataclass(frozen=True)
class Interior:
    """Textures over one rectangle of the photo: RGB premultiplied by alpha, uint8 and float32."""

    x: float  # px of the rectangle's corner in the photo
    y: float
    skull: np.ndarray  # (h, w, 4) float32 RGBA, premultiplied
    jaw: np.ndarray  # (h, w, 4)
    dark: np.ndarray  # (3,) the depth of the mouth
    down: np.ndarray  # (2,)
    unit: float  # px in a canonical unit

    def draw(
        self, source: np.ndarray, jaw_shift: np.ndarray, above: np.ndarray, below: np.ndarray, gap: np.ndarray
    ) -> np.ndarray:
        """float32 (h, w, 3) in [0, 255] for pixels that come from (h, w, 2) photo coordinates.

        `above` and `below` (h, w): px from the upper and from the lower lip's edge, `gap` px between them: little
        light falls into a narrow slit.
        """
        corner = np.array([self.x, self.y], np.float32)
        half = np.float32((DENSITY - 1) / 2)
        skull = look_up(self.skull, (source - corner) * DENSITY + half, zero_outside=True)
        jaw = look_up(self.jaw, (source - jaw_shift - corner) * DENSITY + half, zero_outside=True)
        seen = jaw[..., :3] + self.dark * (1 - jaw[..., 3:])
        # The jaw lies in the shadow of the upper teeth.
        seen = skull[..., :3] + seen * (1 - skull[..., 3:])
        soft = np.float32(0.05 * self.unit)
        shade = (0.6 + 0.4 * np.clip(above / soft, 0, 1)) * (0.7 + 0.3 * np.clip(below / soft, 0, 1))
        # Light that reaches the depth of a slit has been through the lips: it is red and weak.
        light = smoothstep(gap / self.unit, -0.3 * SLIT, SLIT)[..., None] ** WARMTH
        return self.dark + (seen * shade[..., None] - self.dark) * light


def make_interior(fit: FaceFit, rest: np.ndarray, photo: np.ndarray, points: np.ndarray, height: float) -> Interior:
    """From the photo (uint8 RGB), its (478, 2) landmarks and face height in px."""
    box = np.array([[x, y, -0.1] for x in (-0.75, 0.75) for y in (1.15, 2.35)], np.float32)
    corners = fit.to_pixels(box)[:, :2]
    low = np.floor(corners.min(0))
    size = np.ceil((corners.max(0) - low) * DENSITY).astype(int)
    y, x = np.mgrid[: size[1], : size[0]].astype(np.float32)
    pixels = np.stack([x, y], -1)
    place = (pixels - (DENSITY - 1) / 2) / DENSITY + low

    tooth, dark, tongue = _colours(photo, points)
    # The arch follows the person's own lips: its level is the line between them, its width theirs.
    line = (points[UPPER_INNER] + points[LOWER_INNER]) / 2
    middle = line[5] if np.ptp(line @ fit.down) < 0.05 * height else line[3:8].mean(0)
    expected = fit.to_pixels(rest[[13]])[0, :2]
    level = float((middle - expected) @ fit.down) / fit.scale + rest[13, 1]
    front = float(rest[13, 2]) + BEHIND_LIPS
    angle, depth = _on_arch(place, fit, level, front)
    light = np.cos(np.clip(angle, -1.5, 1.5)) ** 0.8

    upper_alpha, upper_tone = _teeth(angle, depth, UPPER_TEETH, UPPER_EDGE, -1, fit)
    lower_alpha, lower_tone = _teeth(angle, depth, LOWER_TEETH, LOWER_EDGE, 1, fit)
    gum = np.clip((UPPER_EDGE - 0.15 - depth) / 0.03, 0, 1)[..., None]
    upper_colour = (tooth * (1 - gum) + tongue * 1.05 * gum) * (upper_tone * (0.35 + 0.65 * light))[..., None]
    skull = _premultiplied(upper_colour, np.maximum(upper_alpha, gum[..., 0] * (np.abs(angle) < 1.3)))

    bed = np.hypot(np.sin(angle) * ARCH_WIDTH / 0.34, (depth - 0.10) / 0.13)
    tongue_alpha = np.clip((1.2 - bed) / 0.6, 0, 1)
    ridge = 1 - 0.25 * np.exp(-((angle / 0.12) ** 2))
    jaw_tongue = tongue * (0.72 * ridge * np.clip(1.1 - 0.5 * bed, 0.4, 1))[..., None]
    lower_colour = tooth * (0.70 * lower_tone * (0.35 + 0.65 * light))[..., None]
    jaw = _over(_premultiplied(lower_colour, lower_alpha), _premultiplied(jaw_tongue, tongue_alpha))

    gap = (points[LOWER_INNER] - points[UPPER_INNER]) @ fit.down
    if gap.max() > OWN_TEETH_FROM * height:
        skull = _with_own_teeth(skull, photo, points, place, fit)
    return Interior(low[0], low[1], skull, jaw, dark, fit.down, fit.scale)


def _colours(photo: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(3,) float32 each: a tooth, the dark of the mouth and the tongue in this photo's light."""
    whites = _pixels_within(photo, [np.concatenate([u, low[::-1]]) for u, low in
                                    ((points[RIGHT_UPPER_LID], points[RIGHT_LOWER_LID]),
                                     (points[LEFT_UPPER_LID], points[LEFT_LOWER_LID]))])  # fmt: skip
    lips = _pixels_within(photo, [np.concatenate([points[ring[0]], points[ring[3]][::-1]])
                                  for ring in (UPPER_LIP, LOWER_LIP)])  # fmt: skip
    skin = _pixels_within(photo, [points[[50, 205, 187, 123]], points[[280, 425, 411, 352]]])
    white = np.percentile(whites.mean(1), 80) if len(whites) else 150.0
    lip, cheek = np.median(lips, 0), np.median(skin, 0)
    bright = np.clip(0.55 * white + 0.45 * max(white, cheek.mean()), 85, 215)
    cast = cheek / max(cheek.mean(), 1.0)
    tooth = np.clip(1.18 * bright * IVORY * (0.75 + 0.25 * cast / cast.max()), 0, 235)
    dark = np.clip(lip * [0.20, 0.11, 0.11], 6, 45)
    tongue = np.clip(lip * 0.45 + bright * np.array([0.36, 0.19, 0.19], np.float32), 0, 200)
    return tooth.astype(np.float32), dark.astype(np.float32), tongue.astype(np.float32)


def _pixels_within(photo: np.ndarray, outlines: list[np.ndarray]) -> np.ndarray:
    mask = np.zeros(photo.shape[:2], np.uint8)
    for outline in outlines:
        cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
    found = photo[mask > 0].astype(np.float32)
    return found if len(found) else np.full((1, 3), 120, np.float32)


def _on_arch(place: np.ndarray, fit: FaceFit, level: float, front: float) -> tuple[np.ndarray, np.ndarray]:
    """Angle round the arch (0 in front) and canonical height below the line between the lips, for (h, w, 2) px."""
    angles = np.linspace(-np.pi / 2, np.pi / 2, 181)
    arch = np.stack([ARCH_WIDTH * np.sin(angles), np.full(181, level), front + ARCH_DEPTH * (1 - np.cos(angles))], -1)
    arch = fit.to_pixels(arch)[:, :2]
    length = np.linalg.norm(fit.axes[1, :2])
    across = np.array([fit.down[1], -fit.down[0]], np.float32)
    # Turned away, the far side of the arch folds back behind the front: keep what is in front.
    sideways = np.maximum.accumulate(arch @ across + np.arange(181) * 1e-4)
    angle = np.interp(place @ across, sideways, angles)
    base = np.interp(angle, angles, arch @ fit.down)
    return angle.astype(np.float32), ((place @ fit.down - base) / length).astype(np.float32)


def _teeth(
    angle: np.ndarray, depth: np.ndarray, teeth: list[tuple[float, float]], edge: float, up: int, fit: FaceFit
) -> tuple[np.ndarray, np.ndarray]:
    """Coverage and brightness of a row of teeth; `up` -1 for the upper row, which ends at `edge`, 1 for the lower."""
    radius = np.hypot(ARCH_WIDTH * np.cos(angle), ARCH_DEPTH * np.sin(angle))
    arc = np.interp(np.abs(angle), *_arc_length())
    borders = np.concatenate([[0], np.cumsum([w for w, _ in teeth])])
    which = np.clip(np.searchsorted(borders, arc, side="right") - 1, 0, len(teeth) - 1)
    width = np.diff(borders)[which]
    height = np.array([h for _, h in teeth])[which]
    within = (arc - borders[which]) / width * 2 - 1  # -1 to 1 across the tooth
    # The biting edge: rounded corners, the outer teeth a little shorter.
    bite = edge + up * (0.016 * np.abs(within) ** 3 + np.array([0, 0.014, 0.002, 0.012, 0.02, 0.03])[which])
    sharp = fit.scale * DENSITY / 1.6
    beyond = (depth - bite) * up
    alpha = np.clip(beyond * sharp + 0.5, 0, 1) * (arc < borders[-1])
    alpha = alpha * np.clip((height + 0.06 - beyond) * sharp / 4, 0, 1)
    groove = 1 - 0.25 * np.exp(-(((1 - np.abs(within)) * width / 2 / np.maximum(radius, 0.2) * 0.47 / 0.009) ** 2))
    rounded = 1 - 0.10 * within**2
    tip = 1 - 0.10 * np.exp(-beyond / 0.03)
    return alpha.astype(np.float32), (groove * rounded * tip).astype(np.float32)


def _arc_length() -> tuple[np.ndarray, np.ndarray]:
    angle = np.linspace(0, np.pi / 2, 91)
    step = np.hypot(ARCH_WIDTH * np.cos(angle), ARCH_DEPTH * np.sin(angle)) * (np.pi / 180)
    return angle, np.concatenate([[0], np.cumsum(step[:-1])])


def _premultiplied(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return np.concatenate([colour * alpha[..., None], alpha[..., None]], -1).astype(np.float32)


def _over(front: np.ndarray, back: np.ndarray) -> np.ndarray:
    return front + back * (1 - front[..., 3:])


def _with_own_teeth(
    skull: np.ndarray, photo: np.ndarray, points: np.ndarray, place: np.ndarray, fit: FaceFit
) -> np.ndarray:
    """The skull layer with the inside of the photo's own mouth laid over it."""
    own = look_up(photo, place, cubic=True)
    outline = np.concatenate([points[UPPER_INNER], points[LOWER_INNER][::-1]])
    mask = np.zeros(place.shape[:2], np.uint8)
    shifted = (outline - place[0, 0]) * DENSITY
    cv2.fillPoly(mask, [np.round(shifted * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
    blur = max(1.0, 0.012 * fit.scale * DENSITY)
    inner = cv2.erode(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3)), iterations=max(1, round(blur)))
    alpha = cv2.GaussianBlur(inner, (0, 0), blur).astype(np.float32) / 255
    return _over(_premultiplied(own.astype(np.float32), alpha), skull)
