"""What every node must tell: words, ranges, and nothing that ComfyUI 0.3.64 does not know."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
IDS = [
    "SonicLoadModel",
    "SonicDownloadModel",
    "SonicLoadAudio",
    "SonicLoadPhotos",
    "SONIC_PreData",
    "SonicPose",
    "SonicSampler",
    "SonicDub",
    "SonicDialogue",
    "SonicCutOut",
    "SonicLipAlign",
    "SonicSmooth",
    "SonicInterpolate",
    "SonicPasteBack",
    "SonicCanvas",
    "SonicLabel",
    "SonicRenderVideo",
    "SonicClipToImages",
    "SonicEvaluate",
    "SonicVideoToClip",
    "SonicOSSLoad",
    "SonicOSSUpload",
    "SonicDecode",
]
LANGUAGES = ["en", "zh"]


@pytest.fixture(params=IDS)
def schema(request: pytest.FixtureRequest, nodes: dict[str, Any], comfy: Any) -> Any:
    return nodes[request.param].GET_SCHEMA()


def test_these_are_the_nodes(nodes: dict[str, Any]) -> None:
    assert list(nodes) == IDS


def test_it_says_what_it_does(schema: Any) -> None:
    assert schema.category == "Sonic Studio"
    assert schema.display_name.startswith("Sonic: ")
    assert schema.description.endswith(".")


def test_every_socket_and_widget_has_words(schema: Any) -> None:
    for part in [*schema.inputs, *schema.outputs]:
        assert part.tooltip and part.tooltip.endswith("."), f"{schema.node_id}.{part.id}"
        begins = part.tooltip[0].isupper() or part.tooltip[0].isdigit() or part.tooltip.split(":")[0] in part.options
        assert begins, f"{schema.node_id}.{part.id}"


def test_every_number_has_a_range_and_a_default_in_it(schema: Any) -> None:
    for widget in schema.inputs:
        if widget.io_type in ("INT", "FLOAT"):
            assert widget.min is not None and widget.max is not None, widget.id
            assert widget.min <= widget.default <= widget.max, widget.id
            assert widget.max < 2**53  # the front end's numbers are doubles
        if widget.io_type == "FLOAT":
            assert widget.step


def test_every_choice_has_a_default_among_its_options(schema: Any) -> None:
    for widget in schema.inputs:
        if widget.io_type == "COMBO" and not widget.upload and widget.id != "folder":
            assert widget.default in widget.options, widget.id


def test_it_has_a_help_page_that_names_every_input(schema: Any) -> None:
    page = (ROOT / "web" / "docs" / f"{schema.node_id}.md").read_text(encoding="utf-8")
    for part in [*schema.inputs, *schema.outputs]:
        name = getattr(part, "display_name", None) or part.id
        assert f"`{name}`" in page, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_translated(schema: Any, language: str) -> None:
    """Names, tooltips and options of every node, with no key that the schema lacks."""
    path = ROOT / "locales" / language / "nodeDefs.json"
    words = json.loads(path.read_text(encoding="utf-8"))[schema.node_id]
    assert words["display_name"] and words["description"]
    assert list(words["inputs"]) == [part.id for part in schema.inputs]
    for part in schema.inputs:
        said = words["inputs"][part.id]
        assert said["name"] and said["tooltip"], part.id
        if part.io_type == "COMBO" and not part.upload and part.id not in ("model", "folder"):
            assert list(said["options"]) == list(part.options), part.id
    assert list(words["outputs"]) == [str(index) for index in range(len(schema.outputs))]
    if language == "zh":
        assert all(re.search("[一-鿿]", said["tooltip"]) for said in words["inputs"].values())
