"""Mouths corrected so that the lips do what the spoken phone demands.

A regression to the mean never quite closes the lips for an m, but the ears know almost for certain which phone is
spoken. So the predicted mouth keeps its coarticulation and moves by the least amount, in units of its own variance,
that closes the lips for m p b, brings the lower lip to the upper teeth for f v, pulls the corners in for w u o sh and
out for i e s, and opens the jaw for an open vowel. Distances are shares of the face's height.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sonic_core.engines.lite.ear_head import KINDS
from sonic_core.engines.lite.landmarks import LOWER_INNER, UPPER_INNER, UPPER_LIP
from sonic_core.engines.lite.layout import MOUTH_CHANNELS, MouthBasis
from sonic_core.face.points import CHIN, FOREHEAD

# A kind of articulation begins at the first probability and is complete at the second. Both are low: the ears are less
# sure of other languages' sounds than of English ones.
BEGINS = {
    "closed": (0.1, 0.3),
    "teeth": (0.25, 0.45),
    "round": (0.1, 0.4),
    "spread": (0.2, 0.6),
    "open": (0.5, 0.9),
    "tongue": (0.3, 0.7),
}
# Opening of closed lips, below 0: slight smoothing must not part them, and full ones must be seen to meet.
PRESSED = -0.009
TEETH = 0.009  # widest opening of f and v
SHUT = 0.004  # at most this opening, lips are pressed a frame before and after a closure, too
OPEN = 0.030  # least opening of an open vowel: above the 0.022 of the exam, as trackers read some lips as less open
AJAR = 0.010  # below this opening a vowel opens the jaw less: lips may shut while the end of a word still sounds
NARROW, WIDE = -0.028, 0.011  # width of rounded and spread lips, 0 at rest
SOFT = 1e-3  # damps combinations of coefficients that hardly move the lips


@dataclass(frozen=True)
class Articulation:
    """Corrects mouths given in the coefficients of one basis."""

    basis: MouthBasis

    @property
    def height(self) -> float:
        return float(np.linalg.norm(self.basis.rest[FOREHEAD] - self.basis.rest[CHIN]))

    @cached_property
    def gap(self) -> np.ndarray:
        """(12, 9) opening between the corners, for one unit of each coefficient, in face heights."""
        moved = self.basis.components[:, LOWER_INNER, 1] - self.basis.components[:, UPPER_INNER, 1]
        return moved[:, 1:-1].astype(np.float64) / self.height

    @cached_property
    def width(self) -> np.ndarray:
        """(12, 1) width from corner to corner, for one unit of each coefficient, in face heights."""
        left, right = UPPER_LIP[0, [0, -1]]
        return (self.basis.components[:, [right], 0] - self.basis.components[:, [left], 0]).astype(
            np.float64
        ) / self.height

    @cached_property
    def gap_solve(self) -> np.ndarray:
        """(9, 12) the smallest change of coefficients for a wanted change of the gaps."""
        return _least_change(self.gap)

    @cached_property
    def shape_solve(self) -> np.ndarray:
        """(10, 12) the same for the gaps and the width together."""
        return _least_change(np.concatenate([self.gap, self.width], 1))

    def opening(self, rows: np.ndarray) -> np.ndarray:
        """Rows (n, 12 or more) that begin with the mouth's coefficients -> (n,) how far the middle of the lips is open,
        in face heights."""
        return np.maximum(rows[:, :MOUTH_CHANNELS] @ self.gap[:, 4], 0)

    def apply(self, mouth: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Mouth (n, 12) and probabilities (n, kinds) -> (n, 15): the mouth, then pressed lips, lip to teeth, tongue."""
        strength = {kind: _ramp(wanted[:, k], *BEGINS[kind]) for k, kind in enumerate(KINDS)}
        mouth = mouth.astype(np.float64)
        mouth = self._width(mouth, strength["round"], strength["spread"])
        gaps = mouth @ self.gap
        middle = gaps[:, 4]
        least = OPEN * strength["open"] * (1 - np.maximum(strength["closed"], strength["teeth"]))
        least *= _ramp(middle, 0, AJAR)
        wider = np.where(least > 0, np.maximum(least - middle, 0), 0)
        mouth[:, 0] += wider / self.gap[0, 4]  # the first component is the jaw's
        for kind, widest in (("teeth", TEETH), ("closed", PRESSED)):
            gaps = mouth @ self.gap
            change = np.minimum(widest - gaps, 0) * strength[kind][:, None]
            mouth += change @ self.gap_solve
        shut = (mouth @ self.gap)[:, 4] <= SHUT
        press = np.where(shut, _longer(strength["closed"]), strength["closed"])
        drawn = [press, strength["teeth"] * (1 - strength["closed"]), strength["tongue"]]
        return np.concatenate([mouth, np.stack(drawn, 1)], 1).astype(np.float32)

    def _width(self, mouth: np.ndarray, narrow: np.ndarray, wide: np.ndarray) -> np.ndarray:
        """Mouths (n, 12) with the corners where rounding or spreading wants them and the opening as it was."""
        width = (mouth @ self.width)[:, 0]
        change = narrow * np.minimum(NARROW - width, 0) + wide * (1 - narrow) * np.maximum(WIDE - width, 0)
        wish = np.zeros((len(mouth), self.gap.shape[1] + 1))
        wish[:, -1] = change
        return mouth + wish @ self.shape_solve


def _least_change(rows: np.ndarray) -> np.ndarray:
    """(12, m) effects -> (m, 12), the damped pseudo-inverse."""
    scale = np.square(rows).sum(0).mean()
    return np.linalg.solve(rows.T @ rows + SOFT * scale * np.eye(rows.shape[1]), rows.T)


def _ramp(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((values - low) / (high - low), 0, 1)


def _longer(values: np.ndarray) -> np.ndarray:
    """(n,) the largest of each value and its two neighbours."""
    padded = np.pad(values, 1)
    return np.maximum(np.maximum(padded[:-2], padded[2:]), values)
