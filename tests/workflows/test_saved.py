"""Workflows saved with 0.1.0, as its users have them: every node is still there and takes what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SAVED = Path(__file__).parent / "saved_0.1.0"
GRAPHS = sorted((SAVED / "api").glob("*.json"))


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_a_client_may_go_on_sending_it(info: dict[str, Any], path: Path) -> None:
    from schemas import inputs_of

    graph = json.loads(path.read_text(encoding="utf-8"))
    ours = [node for node in graph.values() if node["class_type"] in info]
    assert len(ours) >= 5
    for node in ours:
        known = inputs_of(node["class_type"])
        assert node["inputs"].keys() <= known.keys(), node["class_type"]
        assert info[node["class_type"]]["input"]["required"].keys() <= node["inputs"].keys(), node["class_type"]
        for name, value in node["inputs"].items():
            kind, options = known[name]
            if kind == "COMBO" and not options.get("audio_upload"):
                assert value in options["options"], f"{node['class_type']}.{name}"


def test_the_canvas_puts_its_values_into_the_same_widgets(info: dict[str, Any]) -> None:
    """The front end keeps widget values by their order: what was added stands behind what there was."""
    from schemas import widget_names

    canvas = json.loads((SAVED / "sonic_high_quality.json").read_text(encoding="utf-8"))
    ours = [node for node in canvas["nodes"] if node["type"] in info]
    assert len(ours) >= 8
    for node in ours:
        saved = [entry["name"] for entry in node["inputs"] if "widget" in entry]
        assert widget_names(node["type"])[: len(saved)] == saved, node["type"]
