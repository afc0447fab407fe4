"""The shapes of the upper and the lower teeth: which tooth shows at a place of the photo, and how bright it is there.

Lengths are canonical (see layout.py), 56 mm a unit. An angle of 0 is the front of the arch, negative angles are to the
viewer's left. Tooth sizes are mean adult ones.
"""

from __future__ import annotations

import numpy as np

from sonic_core.engines.lite.pose import FaceFit

# The dental arch: half its width, its depth, and how far its front lies behind the lips.
ARCH_WIDTH, ARCH_DEPTH, BEHIND_LIPS = 0.47, 0.55, 0.10
# Widths and heights from the middle outwards: incisors, canine, premolars, molar.
UPPER_TEETH = [(0.150, 0.205), (0.118, 0.185), (0.134, 0.200), (0.122, 0.180), (0.120, 0.175), (0.17, 0.17)]
LOWER_TEETH = [(0.095, 0.16), (0.105, 0.16), (0.122, 0.17), (0.125, 0.145), (0.125, 0.14), (0.17, 0.13)]
UPPER_EDGE, LOWER_EDGE = 0.022, 0.03  # how far below the line between the lips the teeth end, or begin
SHORTER = np.array([0, 0.014, 0.002, 0.012, 0.02, 0.03])  # how much an outer tooth is shorter at its biting edge
SHADE = np.array([1, 0.97, 0.93, 0.92, 0.88, 0.82])  # brightness from the middle outwards
# How dark the line between two teeth is, how much darker at the biting edge, where they part, and its width.
GROOVE, EMBRASURE, GROOVE_WIDTH = 0.12, 0.12, 0.010


def on_arch(places: np.ndarray, fit: FaceFit, level: float, front: float) -> tuple[np.ndarray, np.ndarray]:
    """Each (h, w): the angle round the arch and the height below its line, for (h, w, 2) px of the photo.

    `level` is the canonical height of the line between the lips, `front` the canonical depth of the front teeth.
    """
    angles = np.linspace(-np.pi / 2, np.pi / 2, 181)
    arch = np.stack([ARCH_WIDTH * np.sin(angles), np.full(181, level), front + ARCH_DEPTH * (1 - np.cos(angles))], -1)
    arch = fit.to_pixels(arch)[:, :2]
    length = np.linalg.norm(fit.axes[1, :2])
    # Turned away, the far side of the arch folds back behind the front: keep what is in front.
    sideways = np.maximum.accumulate(arch @ fit.across + np.arange(181) * 1e-4)
    angle = np.interp(places @ fit.across, sideways, angles)
    base = np.interp(angle, angles, arch @ fit.down)
    return angle.astype(np.float32), ((places @ fit.down - base) / length).astype(np.float32)


def row_of_teeth(angle: np.ndarray, depth: np.ndarray, upper: bool, sharp: float) -> tuple[np.ndarray, np.ndarray]:
    """Coverage and brightness, each (h, w) float32 in [0, 1], of a row of teeth at (h, w) places on the arch.

    An edge is 1 / `sharp` canonical units wide.
    """
    teeth, edge, up = (UPPER_TEETH, UPPER_EDGE, -1) if upper else (LOWER_TEETH, LOWER_EDGE, 1)
    radius = np.hypot(ARCH_WIDTH * np.cos(angle), ARCH_DEPTH * np.sin(angle))
    arc = np.interp(np.abs(angle), *_arc_length())
    borders = np.concatenate([[0], np.cumsum([width for width, _ in teeth])])
    which = np.clip(np.searchsorted(borders, arc, side="right") - 1, 0, len(teeth) - 1)
    width = np.diff(borders)[which]
    within = (arc - borders[which]) / width * 2 - 1  # -1 to 1 across the tooth
    beyond = (depth - edge - up * (0.018 * np.abs(within) ** 3.5 + SHORTER[which])) * up  # from the biting edge
    # The gum runs round each tooth in an arc.
    height = np.array([height for _, height in teeth])[which] - 0.03 * within**2
    coverage = np.clip(beyond * sharp + 0.5, 0, 1) * (arc < borders[-1])
    coverage = coverage * np.clip((height - beyond) * sharp / 3, 0, 1)
    from_side = (1 - np.abs(within)) * width / 2 * ARCH_WIDTH / np.maximum(radius, 0.2)
    inwards = np.maximum(beyond, 0)  # nothing is covered on the other side of the edge
    between = (GROOVE + EMBRASURE * np.exp(-inwards / 0.035)) * np.exp(-((from_side / GROOVE_WIDTH) ** 2))
    rounded = 1 - 0.10 * within**2
    tip = 1 - 0.10 * np.exp(-inwards / 0.03)
    light = 0.6 + 0.4 * np.cos(np.clip(angle, -1.5, 1.5))
    brightness = (1 - between) * rounded * tip * light * SHADE[which]
    return coverage.astype(np.float32), brightness.astype(np.float32)


def _arc_length() -> tuple[np.ndarray, np.ndarray]:
    angle = np.linspace(0, np.pi / 2, 91)
    step = np.hypot(ARCH_WIDTH * np.cos(angle), ARCH_DEPTH * np.sin(angle)) * (np.pi / 180)
    return angle, np.concatenate([[0], np.cumsum(step[:-1])])
