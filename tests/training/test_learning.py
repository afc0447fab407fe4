"""The loop that all training shares: a stopped run goes on as if it had not stopped, and the rate rises and falls."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from training.learning import Learner, halved, rate_factor, save_weights


def learner() -> Learner:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    return Learner(net, [{"params": net.parameters(), "lr": 1e-2, "weight_decay": 0.01}], horizon=50)


def taught(learner: Learner, until: int) -> Learner:
    while learner.step < until:
        x = torch.randn(16, 4, generator=torch.Generator().manual_seed(learner.step))
        learner.learn((learner.net(x) - x.sum(1, keepdim=True)).square().mean(), 400)
    return learner


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path):
    whole, first, second = taught(learner(), 60), taught(learner(), 25), learner()
    first.save(tmp_path / "new" / "net.pt")
    second.resume(tmp_path / "new" / "net.pt")
    assert second.step == 25
    taught(second, 60)
    for a, b in ((whole.net, second.net), (whole.average, second.average)):
        assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["net.pt"]


def test_it_learns_and_the_average_does_too():
    made = taught(learner(), 400)
    x = torch.randn(64, 4)
    assert (made.average(x) - x.sum(1, keepdim=True)).square().mean() < 0.1 * x.sum(1).var()
    assert not made.average.training


def test_without_a_checkpoint_nothing_is_resumed(tmp_path: Path):
    fresh = learner()
    fresh.resume(tmp_path / "none.pt")
    assert fresh.step == 0


def test_the_rate_rises_and_falls():
    rates = [rate_factor(step, 1000) for step in range(1000)]
    top = rates.index(max(rates))
    assert 150 < top < 250 and rates == sorted(rates[: top + 1]) + sorted(rates[top + 1 :], reverse=True)
    assert rates[0] < 0.01 and rates[-1] < 0.011


def test_weights_are_halved_but_counts_are_not(tmp_path: Path):
    save_weights(halved(learner().net.state_dict()), tmp_path / "a" / "net.safetensors", {"source": "a test"})
    kinds = {name: value.dtype for name, value in load_file(tmp_path / "a" / "net.safetensors").items()}
    assert kinds.pop("1.num_batches_tracked") == torch.int64 and set(kinds.values()) == {torch.float16}
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["net.safetensors"]
