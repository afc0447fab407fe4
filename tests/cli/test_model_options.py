"""`--model`, `--device` and `--eight-bit` mean the same in every command that makes a video."""

import argparse

import pytest

from sonic_core.cli import dialogue, fleet, generate, stream
from sonic_core.cli.model_options import load_pipeline, model_options
from sonic_core.errors import InputError
from sonic_core.fleet.backends import Task
from sonic_core.pipeline import SonicPipeline
from sonic_core.request import Request

NEEDED = {
    "generate": ["--image", "p.png", "--audio", "a.wav", "--output", "v.mp4"],
    "stream": ["--image", "p.png", "--audio", "a.wav", "--output", "v"],
    "dialogue": ["--image", "p.png", "--output", "v.mp4"],
    "worker": [],
    "batch": ["jobs.csv", "--output", "v", "--consent", "c"],
}
EIGHT_BIT = ["--model", "models/sonic", "--device", "cuda", "--eight-bit", "int8"]


def parsed(command: str, *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    for module in (generate, stream, dialogue, fleet):
        module.add_parser(subparsers)
    return parser.parse_args([command, *NEEDED[command], *words])


class Loaded(Exception):
    """Stops a command where it would load the model."""


@pytest.fixture
def loaded(monkeypatch):
    asked = []

    def from_pretrained(model, device=None, **options):
        asked.append((model, device, options))
        raise Loaded

    monkeypatch.setattr(SonicPipeline, "from_pretrained", from_pretrained)
    return asked


@pytest.mark.parametrize("command", ["generate", "stream", "dialogue"])
def test_a_command_hands_them_to_the_pipeline(command, loaded):
    with pytest.raises(Loaded):
        load_pipeline(parsed(command, *EIGHT_BIT))
    assert loaded == [("models/sonic", "cuda", {"eight_bit": "int8"})]


@pytest.mark.parametrize("command", ["worker", "batch"])
def test_the_fleet_hands_them_to_its_engine(command, loaded, tmp_path):
    engine = fleet.make_engine(parsed(command, *EIGHT_BIT))
    place = tmp_path / "x"
    with pytest.raises(Loaded):
        engine(Task("1", place, place, Request(), place, lambda stage, share: None))
    assert loaded == [("models/sonic", "cuda", {"eight_bit": "int8"})]


@pytest.mark.parametrize("command", NEEDED)
def test_lite_has_no_8_bits(command):
    assert model_options(parsed(command)) == {}
    with pytest.raises(InputError, match="--eight-bit is for the Sonic model"):
        model_options(parsed(command, "--eight-bit", "fp8"))
