"""What is seen between the lips: the photo's own teeth where it shows them, drawn ones elsewhere, in learnt tones.

Three layers are drawn once per portrait, in the photo's pixels at twice their density: the upper teeth and gum, which
never move with the lips; the lower teeth, which follow the chin; and the tongue behind them, which rises for its own
sounds. They hold shapes and shading only, as sharp as the photo. How bright each place is and which colour it has, a
net says that has seen real mouths (`mouth_tone.py`): how bright teeth are on this skin, in this light and under these
lips, how dark the depth behind them is, and where the light falls off towards the corners.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sonic_core.engines.lite import mouth_tone
from sonic_core.engines.lite.expression import dense_contour
from sonic_core.engines.lite.landmarks import LOWER_INNER, UPPER_INNER
from sonic_core.engines.lite.lips import LipDistances, Lips
from sonic_core.engines.lite.mouth_tone import LUMINANCE, MouthTone, brightest, luminance
from sonic_core.engines.lite.pose import FaceFit
from sonic_core.engines.lite.sharpness import eye_sharpness, matching_blur
from sonic_core.engines.lite.teeth import ARCH_WIDTH, BEHIND_LIPS, UPPER_EDGE, on_arch, row_of_teeth
from sonic_core.engines.lite.warp import filled_polygon, look_up, smoothstep

DENSITY = 2  # texture pixels in a photo pixel
BOX = (0.75, 1.15, 2.35)  # canonical: half the width, the top and the bottom of the layers
SLIT = 0.115  # canonical units: an opening that is lit to its full depth
TEETH_LIT = 0.6  # share of this depth that teeth which touch the lower lip do not need, as they stand in front
OWN_TEETH_FROM = 0.02  # opening of the photo's mouth, in face heights, from which its inside is worth keeping
GAIN = (0.7, 1.35)  # limits of the correction that the photo's own mouth makes to the net
STEADY = 0.65  # share of the net's changes in the teeth's brightness that is left out, as teeth would flicker
RELIT = (0.3, 1.1)  # limits of the light on the photo's own teeth
SHADE_HUE = np.array([0.8, 1.08, 1.2], np.float32)  # powers of the light: shade between lips is warm
PINK = np.array([1.45, 0.82, 0.84], np.float32)  # tongues and gums have a colour between the lips' and this one
REST_LIGHT, TONGUE_LIGHT = 0.5, 0.66  # how bright a tongue at rest is, at most, compared to teeth, and a raised one
LOWER_LIGHT, GUM_LIGHT = 0.86, 0.62  # how bright lower teeth and gums are compared to upper teeth
TONGUE_RISE, TONGUE_OUT = 0.16, 0.10  # canonical units that a raised tongue moves up, and more between the teeth
TIP_OVER, TIP_WIDTH = 0.035, 0.55  # canonical: how far its tip comes over the upper teeth, and up to which angle
TEETH_DOWN = 0.06  # canonical units that the upper teeth reach lower for f and v, to touch the lower lip


@dataclass(frozen=True)
class Interior:
    """The inside of one portrait's mouth. Layers hold brightness times coverage, then coverage."""

    x: float  # px of the layers' corner in the photo
    y: float
    upper: np.ndarray  # (h, w, 4) float32: upper teeth, then the coverage of the gum and of the tongue's tip
    lower: np.ndarray  # (h, w, 2) lower teeth
    tongue: np.ndarray  # (h, w, 2)
    own: np.ndarray | None  # (h, w, 4) the photo's own open mouth, RGBA premultiplied
    own_light: float  # how bright the net makes the teeth of the photo's own mouth
    tooth: np.ndarray  # (3,) the colour in [0, 1] that teeth have in this light
    red: np.ndarray  # (3,) colour of tongue and gums at luminance 1
    down: np.ndarray  # (2,)
    unit: float  # px in a canonical unit
    tone: MouthTone
    light: np.ndarray  # the photo's features for `tone`
    gain: float  # how much brighter the photo's own mouth is than the net says, 1 when it is closed

    def draw(
        self,
        source: np.ndarray,
        jaw_shift: np.ndarray,
        lips: Lips,
        around: LipDistances,
        scale: float = 1.0,
        teeth: float = 0.0,
        tongue: float = 0.0,
    ) -> np.ndarray:
        """float32 (h, w, 3) in [0, 255] for pixels of a frame that show the (h, w, 2) places `source` of the photo.

        `lips` are the frame's, and `around` says how the pixels lie to them. One px of the frame is `scale` px of the
        photo. `jaw_shift` (2,) px is the chin's movement. `teeth` and `tongue` (0 to 1, see layout.py) show the upper
        teeth on the lower lip, and the tip of the tongue.
        """
        upper_at = source - np.float32(TEETH_DOWN * teeth * self.unit) * self.down
        rise = np.float32((TONGUE_RISE * min(tongue / 0.6, 1) + TONGUE_OUT * max(tongue - 0.6, 0) / 0.4) * self.unit)
        upper = self._layer(self.upper, upper_at)
        lower = self._layer(self.lower, source - jaw_shift)
        bed = self._layer(self.tongue, source - jaw_shift + rise * self.down)

        levels = self.tone.tones(mouth_tone.shape_features(lips, self.unit / scale), self.light)
        at = _in_rectangle(around)
        # A tooth keeps its colour: in a narrow opening the net's is half the lips'.
        net_light = brightest(levels[2])
        steadied = np.float32((self.tooth @ LUMINANCE / net_light) ** STEADY)
        dark, usual = (look_up(level * np.float32(255 * self.gain), at) for level in levels[:2])
        light = luminance(levels[2]) * (steadied * np.float32(self.gain))
        bright = look_up(_shaded(255 * self.tooth, light / (self.tooth @ LUMINANCE)), at)
        tooth_light = look_up(255 * light, at)
        tongue_light = np.minimum(luminance(usual), REST_LIGHT * tooth_light)
        tongue_light += np.float32(tongue) * (TONGUE_LIGHT * tooth_light - tongue_light)
        flesh = bed[..., :1] * tongue_light[..., None] * self.red

        seen = dark * (1 - bed[..., 1:]) + flesh
        seen = seen * (1 - lower[..., 1:]) + _shaded(bright, np.float32(LOWER_LIGHT)) * lower[..., :1]
        gum = (GUM_LIGHT * tooth_light)[..., None] * self.red
        seen += (gum - seen) * upper[..., 2:3]
        seen = seen * (1 - upper[..., 1:2]) + bright * upper[..., :1]
        if self.own is not None:
            own = self._layer(self.own, upper_at)
            relit = np.float32(np.clip(steadied * net_light / self.own_light, *RELIT))
            seen = seen * (1 - own[..., 3:]) + _shaded(own[..., :3], relit)
        if tongue > 0.6:  # the tip comes before the edge of the upper teeth
            seen += (flesh - seen * bed[..., 1:]) * (upper[..., 3:] * np.float32((tongue - 0.6) / 0.4))
        lit = SLIT * (1 - TEETH_LIT * teeth)
        shade = smoothstep(around.gap * np.float32(scale / self.unit), 0.0, lit)[..., None]
        return dark + (seen - dark) * shade

    def _layer(self, layer: np.ndarray, source: np.ndarray) -> np.ndarray:
        corner = np.array([self.x, self.y], np.float32)
        return look_up(layer, (source - corner) * DENSITY + np.float32((DENSITY - 1) / 2), zero_outside=True)


def _shaded(colour: np.ndarray, light: np.ndarray | np.floating) -> np.ndarray:
    """Colours (..., 3) in a light (...), which is 1 outside the mouth: flesh tints the shade between the lips red."""
    return colour * np.power(np.asarray(light)[..., None], SHADE_HUE)


def _in_rectangle(around: LipDistances) -> np.ndarray:
    """(h, w, 2) where pixels lie in the net's rectangle, in its cells."""
    downwards = np.clip(around.above / np.maximum(around.above + around.below, 1e-3), 0, 1)
    row = (downwards - mouth_tone.INSET) / (1 - 2 * mouth_tone.INSET) * mouth_tone.ROWS - 0.5
    return np.stack([around.across * mouth_tone.COLUMNS - 0.5, row], -1).astype(np.float32)


def make_interior(fit: FaceFit, rest: np.ndarray, photo: np.ndarray, points: np.ndarray, height: float) -> Interior:
    """From the photo (uint8 RGB), its (478, 2) landmarks and face height in px."""
    half, top, bottom = BOX
    box = np.array([[x, y, -0.1] for x in (-half, half) for y in (top, bottom)], np.float32)
    corners = fit.to_pixels(box)[:, :2]
    low = np.floor(corners.min(0))
    size = np.ceil((corners.max(0) - low) * DENSITY).astype(int)
    y, x = np.mgrid[: size[1], : size[0]].astype(np.float32)
    place = (np.stack([x, y], -1) - (DENSITY - 1) / 2) / DENSITY + low

    # The arch follows the person's own lips: its level is the line between them.
    line = (points[UPPER_INNER] + points[LOWER_INNER]) / 2
    middle = line[5] if np.ptp(line @ fit.down) < 0.05 * height else line[3:8].mean(0)
    expected = fit.to_pixels(rest[[13]])[0, :2]
    level = float((middle - expected) @ fit.down) / fit.scale + rest[13, 1]
    angle, depth = on_arch(place, fit, level, float(rest[13, 2]) + BEHIND_LIPS)

    sharp = fit.scale * DENSITY / 1.6
    upper, lower = (_layer(*row_of_teeth(angle, depth, which, sharp)) for which in (True, False))
    gum = np.clip((UPPER_EDGE - 0.13 - depth) * sharp / 4, 0, 1) * (np.abs(angle) < 1.3)
    tip = depth - UPPER_EDGE + TIP_OVER * smoothstep(np.abs(angle), TIP_WIDTH, 0.0)
    beside = np.stack([gum, np.clip(tip * sharp / 2, 0, 1)], -1).astype(np.float32)
    layers = [np.concatenate([upper, beside], -1), lower, _layer(*_tongue(angle, depth))]
    blur = matching_blur(upper, eye_sharpness(photo, points), DENSITY)
    upper, lower, tongue = (cv2.GaussianBlur(layer, (0, 0), blur) if blur > 0 else layer for layer in layers)

    outlook, net = mouth_tone.light_features(photo, points, fit), MouthTone.load()
    gain, own, own_light, tooth = 1.0, None, 1.0, net.tooth(outlook)
    if ((points[LOWER_INNER] - points[UPPER_INNER]) @ fit.down).max() > OWN_TEETH_FROM * height:
        lips = Lips(dense_contour(points[UPPER_INNER]), dense_contour(points[LOWER_INNER]), fit.down, 0)
        tones = net.tones(mouth_tone.shape_features(lips, fit.scale), outlook)
        seen = look_up(photo, mouth_tone.places(lips)) @ LUMINANCE / 255
        gain = float(np.clip(seen.mean() / (tones[1] @ LUMINANCE).mean(), *GAIN))
        own = _own_mouth(photo, points, place, fit)
        own_light = float(tooth @ LUMINANCE) ** STEADY * brightest(tones[2]) ** (1 - STEADY)
    return Interior(
        x=float(low[0]),
        y=float(low[1]),
        upper=upper,
        lower=lower,
        tongue=tongue,
        own=own,
        own_light=own_light,
        tooth=tooth,
        red=_red(outlook[1:4]),
        down=fit.down,
        unit=fit.scale,
        tone=net,
        light=outlook,
        gain=gain,
    )


def _tongue(angle: np.ndarray, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coverage and brightness of the tongue: a rounded bed with a soft furrow and a gloss beside it."""
    across = np.sin(angle) * ARCH_WIDTH / 0.34
    bed = np.hypot(across, (depth - 0.12) / 0.15)
    furrow = 0.14 * np.exp(-((angle / 0.10) ** 2)) * smoothstep(depth, 0.02, 0.08)
    gloss = 0.16 * np.exp(-(((np.abs(across) - 0.32) / 0.16) ** 2) - ((depth - 0.03) / 0.03) ** 2)
    return np.clip((1.2 - bed) / 0.35, 0, 1), np.clip(1.12 - 0.42 * bed**2, 0.45, 1) - furrow + gloss


def _red(lips: np.ndarray) -> np.ndarray:
    """(3,) the colour of tongue and gums at luminance 1, from that of the lips (3,), halfway to the pink of flesh."""
    lip = lips + 1 / 255
    colour = (lip / (lip @ LUMINANCE) + PINK / (PINK @ LUMINANCE)) / 2
    return (colour / (colour @ LUMINANCE)).astype(np.float32)


def _layer(coverage: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    return np.stack([brightness * coverage, coverage], -1).astype(np.float32)


def _own_mouth(photo: np.ndarray, points: np.ndarray, place: np.ndarray, fit: FaceFit) -> np.ndarray:
    """(h, w, 4) float32 the inside of the photo's own mouth, RGBA premultiplied."""
    own = look_up(photo, place, cubic=True).astype(np.float32)
    outline = np.concatenate([points[UPPER_INNER], points[LOWER_INNER][::-1]])
    mask = filled_polygon(place.shape, (outline - place[0, 0]) * DENSITY)
    blur = max(1.0, 0.012 * fit.scale * DENSITY)
    inner = cv2.erode(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3)), iterations=max(1, round(blur)))
    alpha = cv2.GaussianBlur(inner, (0, 0), blur).astype(np.float32)[..., None] / 255
    return np.concatenate([own * alpha, alpha], -1)
