"""What a graphed network does without a card; `test_on_cuda.py` has the rest."""

import math

import torch

from sonic_core.engines import sonic
from sonic_core.engines.sonic.graphs import GraphedNetwork
from sonic_core.engines.sonic.unet import Context

CONTEXT = Context((), (), ())


def called(graphed, count=1):
    return graphed(torch.ones(count, 2, 8, 3, 3), torch.ones(1), torch.ones(count, 3), CONTEXT, None)


def test_what_cannot_be_recorded_runs_as_usual(monkeypatch):
    tried = []

    def refuse(self, inputs, structure):
        tried.append(len(inputs))
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(GraphedNetwork, "_record", refuse)
    graphed = GraphedNetwork(lambda latents, *others: (2 * latents, latents), math.inf)
    for count in (1, 1, 1, 2, 2):
        assert torch.equal(called(graphed, count)[0], torch.full((count, 2, 8, 3, 3), 2.0))
    assert len(tried) == 1  # at the second call of the first shapes, and never again


def test_each_combination_of_shapes_is_recorded_at_its_second_call(monkeypatch):
    recorded = []
    monkeypatch.setattr(GraphedNetwork, "_record", lambda self, inputs, structure: recorded.append(len(inputs[0])))
    graphed = GraphedNetwork(lambda latents, *others: (latents, latents), math.inf)
    for count in (1, 2, 1, 2):
        called(graphed, count)
    assert recorded == [1, 2]


def test_a_large_call_is_not_recorded(monkeypatch):
    recorded = []
    monkeypatch.setattr(GraphedNetwork, "_record", lambda self, inputs, structure: recorded.append(len(inputs[0])))
    graphed = GraphedNetwork(lambda latents, *others: (latents, latents), most_pixels=2 * 2 * 3 * 3)
    for count in (1, 2, 3, 1, 2, 3):
        called(graphed, count)
    assert recorded == [1, 2]


def test_a_host_that_moves_the_weights_gets_no_graphs(model_folder):
    own, hosted = (sonic.load(model_folder, "cpu", latents_folder=None, rest_device=rest) for rest in (None, "cpu"))
    assert own.execution.graphs is None
    assert hosted.execution.graphs is False
