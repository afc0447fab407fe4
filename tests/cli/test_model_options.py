"""`--model`, `--device` and `--eight-bit` mean the same in every command that makes a video."""

import argparse

import pytest

from sonic_core.cli import dialogue, fleet, generate, stream
from sonic_core.cli.model_options import load_pipeline, model_options
from sonic_core.errors import InputError, ModelError, SettingsError
from sonic_core.fleet.backends import EngineUnavailable, Task
from sonic_core.pipeline import SonicPipeline
from sonic_core.request import Request
from sonic_core.weights.folder import REQUIRED

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


@pytest.fixture
def folder(tmp_path):
    """A model folder whose networks are there, and empty."""
    for name in REQUIRED:
        (tmp_path / name).touch()
    return tmp_path


def task_in(folder):
    place = folder / "x"
    return Task("1", place, place, Request(), place, lambda stage, share: None)


@pytest.mark.parametrize("command", ["worker", "batch"])
def test_the_fleet_hands_them_to_its_engine(command, loaded, folder):
    words = ["--model", str(folder), "--device", "cpu", "--eight-bit", "int8"]
    engine = fleet.make_engine(parsed(command, *words))
    with pytest.raises(Loaded):
        engine(task_in(folder))
    assert loaded == [(str(folder), "cpu", {"eight_bit": "int8"})]


@pytest.mark.parametrize("command", ["worker", "batch"])
@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (["--model", "nowhere"], ModelError, "'nowhere' is not a folder"),
        (["--model", "."], ModelError, "is missing; put it into"),
        (["--device", "banana"], SettingsError, "device 'banana' cannot be used"),
    ],
)
def test_a_worker_that_cannot_work_takes_no_job(command, words, error, says, tmp_path, monkeypatch):
    """0.2.0 took them all: each failed for good with the sentence about the worker's own model."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=says):
        fleet.make_engine(parsed(command, *words))


def test_a_model_that_does_not_load_is_no_fault_of_the_job(folder):
    engine = fleet.make_engine(parsed("worker", "--model", str(folder), "--device", "cpu"))
    with pytest.raises(EngineUnavailable, match="the worker cannot load its model: "):
        engine(task_in(folder))


@pytest.mark.parametrize("command", NEEDED)
def test_lite_has_no_8_bits(command):
    assert model_options(parsed(command)) == {}
    with pytest.raises(InputError, match="--eight-bit is for the Sonic model"):
        model_options(parsed(command, "--eight-bit", "fp8"))
