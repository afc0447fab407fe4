"""The timing of phones whose order is known, by the phone output of a trained head."""

from __future__ import annotations

import numpy as np

from sonic_core.quality.alignment import Phone
from training.ears.phones import NUMBER

ROWS = 50  # rows a second


def timed(log_probabilities: np.ndarray, phones: list[str]) -> list[Phone]:
    """Log-probabilities (rows, phones) at 50 Hz and the phones in order -> phones with times, silences between them.

    A phone lasts at least two rows; silence may come before, between and after.
    """
    states = ["SIL"]
    for phone in phones:
        states += [phone, phone, "SIL"]
    score = log_probabilities[:, [NUMBER[state] for state in states]]
    n = len(states)
    silent = np.array([state == "SIL" for state in states])
    best = np.full(n, -np.inf)
    best[:2] = score[0, :2]
    back = np.zeros((len(score), n), np.int8)
    for row in range(1, len(score)):
        step = np.concatenate([[-np.inf], best[:-1]])
        skip = np.concatenate([[-np.inf, -np.inf], best[:-2]])
        skip[silent | np.roll(~silent, 1)] = -np.inf  # only a silence is skipped
        choice = np.stack([best, step, skip])
        back[row] = choice.argmax(0)
        best = choice.max(0) + score[row]
    at = n - 1 if best[n - 1] >= best[n - 2] else n - 2
    path = np.zeros(len(score), int)
    for row in range(len(score) - 1, -1, -1):
        path[row] = at
        at -= int(back[row, at])
    groups = np.where(silent[path], -1 - path, (path - 1) // 3)  # both states of a phone are one
    starts = np.flatnonzero(np.concatenate([[True], np.diff(groups) != 0]))
    ends = np.append(starts[1:], len(groups))
    return [Phone(states[path[a]], a / ROWS, b / ROWS) for a, b in zip(starts, ends, strict=True)]
