"""Mouths of phones: targets are found again, relatives stand in, reach is bounded by what was fitted."""

import numpy as np
import torch

from training.ears.coarticulation import blend, fit, stand_in
from training.ears.labels import Timing
from training.ears.phones import NUMBER, PHONES

torch.manual_seed(0)


def timing(names: str, each: float = 0.2) -> Timing:
    numbers = np.array([NUMBER[name] for name in names.split()])
    starts = np.arange(len(numbers), dtype=np.float32) * np.float32(each)
    return Timing(numbers, starts, starts + np.float32(each))


def test_a_phone_that_dominates_alone_reaches_its_target():
    target = torch.zeros(len(PHONES), 12)
    target[NUMBER["AA"], 0] = 2.0
    ones, reach = torch.ones(len(PHONES)), torch.full((len(PHONES),), 0.02)
    said = timing("SIL AA SIL")
    parts = (torch.from_numpy(part)[None] for part in (said.phones, said.starts, said.ends))
    made = blend(target, ones, reach, reach, *parts, torch.tensor([[0.0, 0.3, 0.59]]))[0, :, 0]
    assert made[1] > 1.9 and made[[0, 2]].abs().max() < 0.1


def test_fitted_targets_come_back():
    rng = np.random.default_rng(0)
    truth = {"SIL": 0.0, "AA": 3.0, "B": -1.0, "IY": 1.0}
    clips = []
    for _ in range(60):
        names = rng.choice(list(truth), 8)
        mouth = np.repeat([truth[name] for name in names], 5)[:, None] * np.eye(12)[0]
        clips.append((mouth.astype(np.float32), timing(" ".join(names))))
    model = fit(clips, steps=150)
    for name, value in truth.items():
        assert abs(model.target[NUMBER[name], 0] - value) < 0.4
    mouth = model.mouth(clips[0][1], np.array([0.1, 0.3], np.float32))
    assert mouth.shape == (2, 12) and np.isfinite(mouth).all()


def test_a_phone_that_is_never_said_takes_the_place_of_its_relative():
    counts = np.full(len(PHONES), 100)
    counts[[NUMBER["UE"], NUMBER["ZH"]]] = 0
    found = stand_in(counts)
    assert PHONES[found[NUMBER["UE"]]] == "UW" and PHONES[found[NUMBER["ZH"]]] == "CH"
    assert PHONES[found[NUMBER["AA"]]] == "AA"
