"""What is seen between the lips: the photo's own teeth where it shows them, drawn ones elsewhere, in learnt tones.

Three layers are drawn once per portrait, in the photo's pixels at twice their density. The skull layer holds the upper
teeth and never moves with the lips; the jaw layer holds the lower teeth and follows the chin; the tongue lies behind
them and rises for its own sounds. They have the edges and grooves, sharp at any size. How bright each place is and
which colour it has, a net says that has seen real mouths (`mouth_tone.py`): it knows how dark a narrow opening is on
this skin, and where the light falls off towards the corners.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sonic_core.engines.lite import mouth_tone
from sonic_core.engines.lite.expression import dense_contour
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
from sonic_core.engines.lite.lips import Lips
from sonic_core.engines.lite.mouth_tone import MouthTone, pixels_within
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
SLIT = 0.045  # canonical units: an opening that is lit to its full depth
OWN_TEETH_FROM = 0.02  # opening of the photo's mouth, in face heights, from which its inside is worth keeping
BLUR = 0.11  # canonical units: what is coarser is the net's, what is finer the layers'
GAIN = (0.7, 1.35)  # the least and the most that a photo's own mouth corrects the net
LIGHT = (0.12, 1.10)  # the least and the most light that a layer is seen in
WARMTH = np.array([0.48, 0.54, 0.60], np.float32)  # exponents of that light for red, green and blue
CONTRAST = (0.5, 1.3)  # the least and the most that detail darkens or brightens a tone
WIDE = (0.04, 0.13)  # canonical units: from a narrow opening to a wide one
LUMINANCE = np.array([0.30, 0.59, 0.11], np.float32)
TONGUE_RISE, TONGUE_OUT = 0.16, 0.10  # canonical units that a raised tongue moves up, and more between the teeth
TEETH_DOWN = 0.06  # canonical units that the upper teeth reach lower for f and v, to touch the lower lip


@dataclass(frozen=True)
class Interior:
    """Textures over one rectangle of the photo: RGB premultiplied by alpha, in [0, 255] and [0, 1]."""

    x: float  # px of the rectangle's corner in the photo
    y: float
    skull: np.ndarray  # (h, w, 4) float32 RGBA, premultiplied: upper teeth
    jaw: np.ndarray  # (h, w, 4) lower teeth
    tongue: np.ndarray  # (h, w, 4)
    dark: np.ndarray  # (3,) the depth of the mouth
    down: np.ndarray  # (2,)
    unit: float  # px in a canonical unit
    tone: MouthTone
    light: np.ndarray  # the photo's features for `tone`
    gain: float  # what the photo's own mouth is brighter than its tone, 1 when it is closed

    def draw(
        self,
        source: np.ndarray,
        jaw_shift: np.ndarray,
        pixels: np.ndarray,
        lips: Lips,
        scale: float = 1.0,
        teeth: float = 0.0,
        tongue: float = 0.0,
    ) -> np.ndarray:
        """float32 (h, w, 3) in [0, 255] for (h, w, 2) pixels of a frame that show (h, w, 2) places of the photo.

        `lips` are the frame's and `scale` says how many px of the photo one of its px is. `teeth` and `tongue` (0 to 1,
        see layout.py) show the upper teeth on the lower lip, and the tip of the tongue.
        """
        skull = self._layer(self.skull, source - np.float32(TEETH_DOWN * teeth * self.unit) * self.down)
        jaw = self._layer(self.jaw, source - jaw_shift)
        rise = np.float32((TONGUE_RISE * min(tongue / 0.6, 1) + TONGUE_OUT * max(tongue - 0.6, 0) / 0.4) * self.unit)
        bed = self._layer(self.tongue, source - jaw_shift + rise * self.down)
        seen = _over(jaw, bed)
        seen = skull[..., :3] + (seen[..., :3] + self.dark * (1 - seen[..., 3:])) * (1 - skull[..., 3:])

        above, below, gap, _ = lips.distances(pixels)
        opening = gap * np.float32(scale / self.unit)
        within = np.clip(above + 0.5, 0, 1) * np.clip(below + 0.5, 0, 1) + np.float32(1e-3)
        blur = BLUR * self.unit / scale
        drawn = cv2.GaussianBlur((seen @ LUMINANCE) * within, (0, 0), blur) / cv2.GaussianBlur(within, (0, 0), blur)
        tones = self._tones(pixels, lips, scale, above, below)
        wanted = tones @ LUMINANCE
        light = (wanted / np.maximum(drawn, 1))[..., None]
        # A wide opening shows teeth in their own colour. In a narrow one light has been through the lips, and the net's
        # colours are right. Behind the teeth, where nothing is drawn, they are all there is.
        own = seen * np.clip(light, *LIGHT) ** WARMTH + tones * np.clip(1 - 1.1 / light, 0, 1) * (1 - skull[..., 3:])
        detail = np.clip((seen @ LUMINANCE + 4) / (drawn + 4), *CONTRAST)[..., None]
        wide = smoothstep(opening, *WIDE)[..., None]
        lit = tones * detail + (own - tones * detail) * wide
        if tongue > 0:  # the tip lies in front of what the net expects: the dark, or the edge of the teeth
            front = bed[..., 3:] * (1 - (1 - max(tongue - 0.6, 0) / 0.4) * skull[..., 3:]) * np.float32(tongue)
            lit = lit + (bed[..., :3] * np.float32(0.9) - lit * bed[..., 3:]) * front / np.maximum(bed[..., 3:], 1e-3)
        shade = smoothstep(opening, 0.0, SLIT)[..., None]
        return self.dark + (lit - self.dark) * shade

    def _layer(self, layer: np.ndarray, source: np.ndarray) -> np.ndarray:
        corner = np.array([self.x, self.y], np.float32)
        return look_up(layer, (source - corner) * DENSITY + np.float32((DENSITY - 1) / 2), zero_outside=True)

    def _tones(self, pixels: np.ndarray, lips: Lips, scale: float, above: np.ndarray, below: np.ndarray) -> np.ndarray:
        """(h, w, 3) in [0, 255] what the net says for each pixel."""
        tones = self.tone.tones(mouth_tone.shape_features(lips, self.unit / scale), self.light)
        across = (pixels @ lips.across - lips.left) / max(lips.right - lips.left, 1e-3)
        downwards = np.clip(above / np.maximum(above + below, 1e-3), 0, 1)
        row = (downwards - mouth_tone.INSET) / (1 - 2 * mouth_tone.INSET) * mouth_tone.ROWS - 0.5
        at = np.stack([across * mouth_tone.COLUMNS - 0.5, row], -1).astype(np.float32)
        return look_up(tones * np.float32(255 * self.gain), at)


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

    bed = np.hypot(np.sin(angle) * ARCH_WIDTH / 0.34, (depth - 0.12) / 0.15)
    tongue_alpha = np.clip((1.2 - bed) / 0.5, 0, 1)
    ridge = 1 - 0.16 * np.exp(-((angle / 0.10) ** 2))
    tongue_tone = tongue * (0.80 * ridge * np.clip(1.15 - 0.5 * bed, 0.4, 1))[..., None]
    lower_colour = tooth * (0.75 * lower_tone * (0.35 + 0.65 * light))[..., None]
    jaw = _premultiplied(lower_colour, lower_alpha)

    outlook = mouth_tone.light_features(photo, points, fit)
    net, gain = MouthTone.load(), 1.0
    gap = (points[LOWER_INNER] - points[UPPER_INNER]) @ fit.down
    if gap.max() > OWN_TEETH_FROM * height:
        skull = _with_own_teeth(skull, photo, points, place, fit)
        gain = _own_gain(net, outlook, photo, points, fit)
    return Interior(
        low[0], low[1], skull, jaw, _premultiplied(tongue_tone, tongue_alpha), dark, fit.down, fit.scale,
        net, outlook, gain,
    )  # fmt: skip


def _own_gain(net: MouthTone, outlook: np.ndarray, photo: np.ndarray, points: np.ndarray, fit: FaceFit) -> float:
    """How much brighter the photo's own open mouth is than the net expects."""
    lips = Lips(dense_contour(points[UPPER_INNER]), dense_contour(points[LOWER_INNER]), fit.down, 0)
    expected = net.tones(mouth_tone.shape_features(lips, fit.scale), outlook) @ LUMINANCE
    own = look_up(photo, mouth_tone.places(lips)) @ LUMINANCE / 255
    return float(np.clip(own.mean() / expected.mean(), *GAIN))


def _colours(photo: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(3,) float32 each: a tooth, the dark of the mouth and the tongue in this photo's light."""
    whites = pixels_within(photo, [np.concatenate([points[upper], points[lower][::-1]]) for upper, lower in
                                   ((RIGHT_UPPER_LID, RIGHT_LOWER_LID), (LEFT_UPPER_LID, LEFT_LOWER_LID))])  # fmt: skip
    lips = pixels_within(photo, [np.concatenate([points[ring[0]], points[ring[3]][::-1]])
                                 for ring in (UPPER_LIP, LOWER_LIP)])  # fmt: skip
    skin = pixels_within(photo, [points[cheek] for cheek in mouth_tone.CHEEKS])
    white, lip, cheek = np.percentile(whites.mean(1), 80), np.median(lips, 0), np.median(skin, 0)
    bright = np.clip(0.55 * white + 0.45 * max(white, cheek.mean()), 85, 215)
    cast = cheek / max(cheek.mean(), 1.0)
    tooth = np.clip(1.18 * bright * IVORY * (0.75 + 0.25 * cast / cast.max()), 0, 235)
    dark = np.clip(lip * [0.20, 0.11, 0.11], 6, 45)
    tongue = np.clip(lip * 0.45 + bright * np.array([0.36, 0.19, 0.19], np.float32), 0, 200)
    return tooth.astype(np.float32), dark.astype(np.float32), tongue.astype(np.float32)


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
