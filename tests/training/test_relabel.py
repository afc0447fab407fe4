"""The articulation output alone is fitted again, from where it stands."""

from __future__ import annotations

import torch

from training.ears.relabel import fit


def test_a_layer_is_fitted_to_new_labels():
    torch.manual_seed(0)
    layer, rows = torch.nn.Linear(8, 2), torch.randn(4000, 8)
    wanted = torch.stack([rows[:, 0] > 0, rows[:, 3] > 0.5], 1).float()
    with torch.inference_mode():
        frozen = rows.half().clone()
    before = torch.nn.functional.binary_cross_entropy_with_logits(layer(rows), wanted)
    assert fit(layer, frozen, wanted, 300) < 0.8 * before
    guess = layer(rows) > 0
    assert (guess == wanted.bool()).float().mean() > 0.8
