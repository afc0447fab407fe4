"""The bundled workflows: as generated, valid for the nodes' schemas, and laid out to be read."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sonic_core.finish.chain import ORDER

ROOT = Path(__file__).resolve().parents[2]
# The stage of the finishing order that a node carries out.
STAGES = {
    "SonicCutOut": "cut_out",
    "SonicSmooth": "smooth",
    "SonicPasteBack": "paste_back",
    "SonicInterpolate": "interpolate",
    "SonicCanvas": "canvas",
    "SonicLabel": "label",
    "SonicRenderVideo": "record",
}
# What clients call a workflow, and the name of its file, which the template browser shows as its title.
TITLES = {
    "sonic_fast": "Photo speaks, fast",
    "sonic_high_quality": "Photo speaks, best quality",
    "sonic_app": "Photo speaks.app",
    "sonic_oss": "Photo speaks, from storage and back",
    "sonic_batch": "Photos of a folder speak, a video each",
    "sonic_record": "Photo speaks, voice recorded here",
    "sonic_text": "Photo speaks, from a text",
    "sonic_transparent": "Photo speaks, transparent background",
    "sonic_dub": "A video speaks with another voice",
    "sonic_dialogue": "Two people speak",
    "sonic_any_video": "Any video, lips aligned and smoothed",
}
NAMES = list(TITLES)
WINDOW = (1680 - 60, 1000 - 90)  # of a screen, without the front end's bars
LOADS = {
    "LoadImage": "image",
    "LoadVideo": "file",
    "SonicLoadAudio": "audio",
    "RecordAudio": "audio",
    "LoadAudio": "audio",
    "SonicOSSLoad": "source",
}
LEAST_SCALE = 0.8  # text and widgets are still read well
TITLE = 30  # height of a node's title bar, above its place
SLOT = 20
Point = tuple[float, float]


def canvas(name: str) -> dict[str, Any]:
    return json.loads((ROOT / "workflows" / f"{TITLES[name]}.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def api(name: str) -> dict[str, Any]:
    return json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def test_files_are_what_the_generators_make(info: dict[str, Any]) -> None:
    import make_api_page
    import make_blueprint
    import make_node_pages
    import make_workflows

    made = make_workflows.rendered() | make_node_pages.rendered() | make_blueprint.rendered() | make_api_page.rendered()
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, f"run tools/make_*.py: {path.name} is older than its source"


def test_all_are_there_with_a_twin_for_clients() -> None:
    assert {path.stem for path in (ROOT / "workflows").glob("*.json")} == set(TITLES.values())
    assert {path.stem for path in (ROOT / "workflows" / "api").glob("*.json")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_fits_a_window_without_zooming_out(name: str) -> None:
    """Front ends make a template smaller by themselves (older ones by web/js/view.js), but not much."""
    workflow = canvas(name)
    assert workflow["extra"]["ds"]["scale"] == 1.0
    boxes = [(x, y, x + w, y + h) for x, y, w, h in (group["bounding"] for group in workflow["groups"])]
    boxes += [box_of(node) for node in workflow["nodes"]]
    width = max(box[2] for box in boxes) - min(box[0] for box in boxes)
    height = max(box[3] for box in boxes) - min(box[1] for box in boxes)
    assert width * LEAST_SCALE <= WINDOW[0] and height * LEAST_SCALE <= WINDOW[1]


def test_the_app_names_widgets_and_results_that_are_there() -> None:
    nodes = {node["id"]: node for node in canvas("sonic_app")["nodes"]}
    extra = canvas("sonic_app")["extra"]
    assert extra["linearMode"] is True
    for node, widget in extra["linearData"]["inputs"]:
        assert widget in {entry["name"] for entry in nodes[node]["inputs"] if "widget" in entry}
    assert [nodes[node]["type"] for node in extra["linearData"]["outputs"]] == ["SonicRenderVideo"]


@pytest.mark.parametrize("name", NAMES)
def test_notes_and_groups_have_chinese_words(name: str) -> None:
    words = json.loads((ROOT / "web" / "words" / "zh.json").read_text(encoding="utf-8"))
    workflow = canvas(name)
    assert {group["title"] for group in workflow["groups"]} <= words["groups"].keys()
    texts = {node["widgets_values"][0] for node in workflow["nodes"] if node["type"] == "MarkdownNote"}
    assert texts and texts <= words["notes"].keys()
    assert {node["title"] for node in workflow["nodes"] if "title" in node} <= words["titles"].keys()
    assert all("{" not in text for text in texts)


@pytest.mark.parametrize("name", NAMES)
def test_widgets_and_links_fit_the_schemas(name: str, info: dict[str, dict[str, Any]]) -> None:
    graph = api(name)
    for node in graph.values():
        if node["class_type"] not in info:
            continue
        schema = info[node["class_type"]]
        known = {**schema["input"]["required"], **schema["input"].get("optional", {})}
        assert set(schema["input"]["required"]) <= set(node["inputs"]) <= set(known)
        for key, value in node["inputs"].items():
            kind, options = known[key]
            if isinstance(value, list):
                source = graph[value[0]]["class_type"]
                if source in info:
                    assert info[source]["output"][value[1]] in kind.split(",")
            elif kind == "COMBO":
                assert value in options["options"] or "audio_upload" in options or key == "folder"
            elif kind in ("INT", "FLOAT"):
                assert options["min"] <= value <= options["max"]


@pytest.mark.parametrize("name", NAMES)
def test_canvas_and_client_run_the_same_graph(name: str) -> None:
    drawn = {str(node["id"]): node for node in canvas(name)["nodes"] if node["type"] != "MarkdownNote"}
    queued = api(name)
    assert {key: node["type"] for key, node in drawn.items()} == {key: n["class_type"] for key, n in queued.items()}
    links = {
        (str(target), drawn[str(target)]["inputs"][slot]["name"]): [str(source), out]
        for _, source, out, target, slot, _ in canvas(name)["links"]
    }
    queued_links = {
        (key, input_name): value
        for key, node in queued.items()
        for input_name, value in node["inputs"].items()
        if isinstance(value, list)
    }
    assert links == queued_links


@pytest.mark.parametrize("name", NAMES)
def test_stages_come_in_the_finishing_order(name: str) -> None:
    """A workflow may leave stages out, but those it has follow `finish.chain.ORDER` along the wire of the clip."""
    graph = api(name)
    node = next(node for node in graph.values() if node["class_type"] == "SonicRenderVideo")
    stages: list[str] = []
    while True:
        if node["class_type"] in STAGES:
            stages.insert(0, STAGES[node["class_type"]])
        if "clip" not in node["inputs"]:
            break
        node = graph[node["inputs"]["clip"][0]]
    assert stages == [stage for stage in ORDER if stage in stages]
    assert len(stages) == sum(node["class_type"] in STAGES for node in graph.values()), "a stage beside the clip's wire"


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_with_the_bundled_model_and_samples(name: str) -> None:
    nodes = list(api(name).values())
    models = [node["inputs"]["model"] for node in nodes if node["class_type"] == "SonicLoadModel"]
    assert set(models) <= {"lite"}
    loaded = [node["inputs"][LOADS[node["class_type"]]] for node in nodes if node["class_type"] in LOADS]
    assert loaded
    for file in loaded:
        assert (ROOT / "web" / "samples" / Path(file).name).is_file()


@pytest.mark.parametrize("name", NAMES)
def test_nodes_do_not_overlap_and_lie_in_their_groups(name: str) -> None:
    workflow = canvas(name)
    boxes = {node["id"]: box_of(node) for node in workflow["nodes"]}
    for (first, a), (second, b) in combinations(boxes.items(), 2):
        apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        assert apart, f"nodes {first} and {second} overlap"
    groups = [(x, y, x + w, y + h) for x, y, w, h in (group["bounding"] for group in workflow["groups"])]
    for node in workflow["nodes"]:
        if node["type"] != "MarkdownNote":
            x1, y1, x2, y2 = boxes[node["id"]]
            assert sum(g[0] <= x1 and g[1] <= y1 and x2 <= g[2] and y2 <= g[3] for g in groups) == 1, node["type"]


@pytest.mark.parametrize("name", NAMES)
def test_no_wires_cross(name: str) -> None:
    workflow = canvas(name)
    nodes = {node["id"]: node for node in workflow["nodes"]}
    wires = [(end(nodes[s], "outputs", o), end(nodes[t], "inputs", i), s, o) for _, s, o, t, i, _ in workflow["links"]]
    for (a, b, source, out), (c, d, other, other_out) in combinations(wires, 2):
        if (source, out) != (other, other_out):
            assert not crossing(a, b, c, d), f"wires cross: {a}-{b} and {c}-{d}"


@pytest.mark.parametrize("name", NAMES)
def test_it_has_a_thumbnail(name: str) -> None:
    with Image.open(ROOT / "workflows" / f"{TITLES[name]}.jpg") as picture:
        assert min(picture.size) >= 256 and max(picture.size) <= 1024


def box_of(node: dict[str, Any]) -> tuple[float, float, float, float]:
    (x, y), (width, height) = node["pos"], node["size"]
    return x, y - TITLE, x + width, y + (0 if node["flags"].get("collapsed") else height)


def end(node: dict[str, Any], side: str, slot: int) -> Point:
    """Where a wire ends: sockets stand below one another, those of widgets beside their widgets."""
    sockets = [index for index, entry in enumerate(node[side]) if "widget" not in entry]
    row = sockets.index(slot)
    return node["pos"][0] + (node["size"][0] if side == "outputs" else 0), node["pos"][1] + (row + 0.7) * SLOT


def crossing(a: Point, b: Point, c: Point, d: Point) -> bool:
    def turn(p: Point, q: Point, r: Point) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return turn(a, b, c) * turn(a, b, d) < 0 and turn(c, d, a) * turn(c, d, b) < 0
