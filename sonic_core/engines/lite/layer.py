"""One of the two sheets that a moving face is made of: what lies above the lips, or what lies below them.

Each sheet reaches past the line between the lips, because the other one may uncover it there, but only a little: a
layer holds no more of the face than can be seen, since moving it is most of the work in a small frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sonic_core.engines.lite.warp import Grid, box_of


@dataclass(frozen=True)
class Layer:
    """How each mode moves the samples of a grid. A frame's field is `field(weights)`."""

    grid: Grid
    modes: np.ndarray  # (modes, rows * columns * 2) px
    used: np.ndarray  # (rows - 1, columns - 1) bool, the cells on this layer's side of the lips

    def field(self, weights: np.ndarray) -> np.ndarray:
        """(rows, columns, 2) px for (modes,) weights."""
        return np.einsum("m,mk->k", weights, self.modes).reshape(self.grid.rows, self.grid.columns, 2)

    def limit(self, field: np.ndarray) -> float:
        """The largest share of a field, 1 at most, with which no cell in use folds."""
        cells, samples = self._boxes
        return self.grid.fold_limit(field[samples], self.used[cells])

    @cached_property
    def _boxes(self) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """The smallest box that holds the cells in use, and the samples round them."""
        rows, columns = cells = box_of(self.used) or np.s_[0:0, 0:0]
        return cells, (slice(rows.start, rows.stop + 1), slice(columns.start, columns.stop + 1))

    def cropped(self, reach: int) -> Layer:
        """The layer's used cells and what lies within `reach` samples of them."""
        (rows, columns), (most_rows, most_columns) = self._boxes[0], self.used.shape
        top, bottom = max(rows.start - reach, 0), min(rows.stop + reach, most_rows)
        left, right = max(columns.start - reach, 0), min(columns.stop + reach, most_columns)
        old, count = self.grid, len(self.modes)
        grid = Grid(old.x + left * old.step, old.y + top * old.step, old.step, right - left + 1, bottom - top + 1)
        modes = self.modes.reshape(count, old.rows, old.columns, 2)
        modes = modes[:, top : bottom + 1, left : right + 1]  # cells have samples on both sides
        return Layer(grid, np.ascontiguousarray(modes.reshape(count, -1)), self.used[top:bottom, left:right])
