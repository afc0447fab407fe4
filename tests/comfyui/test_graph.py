from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sonic_core.comfyui.graph import (
    AUDIO_INPUTS,
    IMAGE_INPUTS,
    VIDEO_INPUTS,
    check_given,
    described,
    fill,
    known_workflows,
    load_graph,
    set_input,
)
from sonic_core.errors import InputError, SettingsError


@pytest.fixture
def graph() -> dict[str, Any]:
    return load_graph("fast")


@pytest.mark.parametrize("name", ["fast", "high_quality"])
def test_the_bundled_workflows_take_a_photo_and_a_sound(name: str) -> None:
    graph = load_graph(name)
    fill(graph, IMAGE_INPUTS, ["me.png"], "photo")
    fill(graph, AUDIO_INPUTS, ["me.wav"], "sound")
    assert {"me.png", "me.wav"} <= {value for node in graph.values() for value in map(str, node["inputs"].values())}


def test_a_widget_takes_the_type_it_had(graph: dict[str, Any]) -> None:
    for assignment in ("seed=5", "min_resolution=768", "visible=false", "dynamic_scale=1.2", "preset=high_quality"):
        set_input(graph, assignment)
    widgets = {name: value for node in graph.values() for name, value in node["inputs"].items()}
    expected = {"seed": 5, "min_resolution": 768, "visible": False, "dynamic_scale": 1.2, "preset": "high_quality"}
    assert {name: widgets[name] for name in expected} == expected


def test_a_class_of_nodes_can_be_named(graph: dict[str, Any]) -> None:
    set_input(graph, "SonicLoadAudio.trim=1.5")
    trims = {node["class_type"]: node["inputs"]["trim"] for node in graph.values() if "trim" in node["inputs"]}
    assert trims == {"SonicLoadAudio": 1.5, "SONIC_PreData": False}


def test_one_node_can_be_named() -> None:
    graph = load_graph("oss")
    photo = next(key for key, node in graph.items() if node["_meta"]["title"] == "Photo from storage")
    set_input(graph, f"{photo}.source=inputs/me/1/a.jpg")
    sources = [node["inputs"]["source"] for node in graph.values() if node["class_type"] == "SonicOSSLoad"]
    assert sources == ["inputs/me/1/a.jpg", "inputs/comfyui/samples/sonic_speech.flac"]


def test_files_are_asked_for_where_the_workflow_loads_them(graph: dict[str, Any]) -> None:
    photo, voice = Path("me.jpg"), Path("me.wav")
    check_given(graph, IMAGE_INPUTS, [photo], "--image")
    check_given(load_graph("oss"), IMAGE_INPUTS, [], "--image")
    check_given(load_graph("dialogue"), AUDIO_INPUTS, [voice, voice], "--audio")
    check_given(load_graph("dub"), VIDEO_INPUTS, [Path("me.mp4")], "--video")
    with pytest.raises(InputError, match="name it with --image"):
        check_given(graph, IMAGE_INPUTS, [], "--image")
    with pytest.raises(InputError, match="no place for --audio"):
        check_given(load_graph("oss"), AUDIO_INPUTS, [voice], "--audio")
    with pytest.raises(InputError, match="--audio was given 3 times; the workflow loads 2: give one, or 2"):
        check_given(load_graph("dialogue"), AUDIO_INPUTS, [voice] * 3, "--audio")


def test_several_files_go_to_several_loaders() -> None:
    graph = load_graph("dialogue")
    fill(graph, AUDIO_INPUTS, ["left.wav", "right.wav"], "sound")
    fill(graph, IMAGE_INPUTS, ["both.jpg"], "photo")
    assert [node["inputs"]["audio"] for node in graph.values() if node["class_type"] == "SonicLoadAudio"] == [
        "left.wav",
        "right.wav",
    ]
    assert {node["inputs"]["image"] for node in graph.values() if node["class_type"] == "LoadImage"} == {"both.jpg"}


@pytest.mark.parametrize("name", known_workflows())
def test_what_is_described_can_be_set(name: str) -> None:
    graph = load_graph(name)
    lines = described(graph)
    settings = [line.partition("  (")[0] for line in lines if not line.startswith("--")]
    assert settings
    before = json.dumps(graph)
    for setting in settings:
        set_input(graph, setting.replace("=True", "=true").replace("=False", "=false"))
    assert json.dumps(graph) == before, "each is set to what it was"


@pytest.mark.parametrize(
    "assignment", ["seed", "SonicDecode.seed=5", "colour=red", "seed=many", "visible=maybe", "clip=5"]
)
def test_an_assignment_that_fits_nothing_is_said(graph: dict[str, Any], assignment: str) -> None:
    with pytest.raises(SettingsError, match=assignment.split("=")[0]):
        set_input(graph, assignment)


@pytest.mark.parametrize("content", ["no json", "[]", "{}", '{"nodes": [], "links": []}', '{"1": {"inputs": {}}}'])
def test_a_file_in_another_format_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "workflow.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"API format|not JSON"):
        load_graph(str(path))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="fast, high_quality, oss, record, text, transparent or the path"):
        load_graph("slow")


def test_a_workflow_without_a_loader_is_said(tmp_path: Path) -> None:
    path = tmp_path / "workflow.json"
    path.write_text(json.dumps({"1": {"class_type": "SaveVideo", "inputs": {}}}))
    with pytest.raises(InputError, match="no place for the photo"):
        fill(load_graph(str(path)), IMAGE_INPUTS, ["me.png"], "photo")
