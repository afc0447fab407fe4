"""Writes the blueprint: a photo speaks by one node, with the graph inside (`subgraphs/Photo speaks.json`).

    python tools/make_blueprint.py

Newer cores list the file under "Subgraph Blueprints"; 0.3.64 does not look for it. Its nodes are those of the workflow
"Photo speaks, fast"; which of their widgets stand outside is said here. A test compares the file with what this makes.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import stand_in
from make_workflows import canvas_node
from schemas import inputs_of, is_widget
from workflow_plans import Node

FILE = stand_in.ROOT / "subgraphs" / "Photo speaks.json"
NAME = "Photo speaks"
DESCRIPTION = "One photo and one sound become a talking video. Open it to see and change the graph."
ALIASES = ["talking head", "avatar", "lip sync", "speak", "portrait", "digital human", "数字人", "口型"]
OUTER, INPUT, OUTPUT = 1, -10, -20
NODES = {
    "model": Node("SonicLoadModel", (0, 0), (280, 125)),
    "prepare": Node("SONIC_PreData", (340, 0), (300, 400), {}, {"model": ("model", 0)}),
    "sample": Node(
        "SonicSampler", (700, 0), (280, 500), {"preset": "fast"}, {"model": ("model", 0), "predata": ("prepare", 0)}
    ),
    "render": Node("SonicRenderVideo", (1040, 0), (320, 420), {}, {"clip": ("sample", 0)}),
}
SOCKETS = [("prepare", "image"), ("prepare", "audio")]
WIDGETS = [
    ("model", "model"),
    ("sample", "preset"),
    ("prepare", "framing"),
    ("sample", "mood"),
    ("prepare", "min_resolution"),
    ("sample", "dynamic_scale"),
    ("sample", "motion_scale"),
    ("sample", "seed"),
    ("render", "quality"),
]
RESULTS = [("render", 0), ("prepare", 1)]  # the video, and the face that was found


def identity(what: str) -> str:
    """The same id at every run, so that the file only changes with what is in it."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://sonic-studio/blueprint/{what}"))


def blueprint() -> dict[str, Any]:
    ids = {name: index + 2 for index, name in enumerate(NODES)}
    drawn = {name: canvas_node(ids[name], node) for name, node in NODES.items()}
    links: list[dict[str, Any]] = []

    def link(origin: int, out: int, name: str, input_name: str, kind: str) -> int:
        index = next(i for i, entry in enumerate(drawn[name]["inputs"]) if entry["name"] == input_name)
        number = len(links) + 1
        place = {"origin_id": origin, "origin_slot": out, "target_id": ids[name], "target_slot": index}
        links.append({"id": number, **place, "type": kind})
        drawn[name]["inputs"][index]["link"] = number
        return number

    for name, node in NODES.items():
        for input_name, (source, out) in node.links.items():
            output = drawn[source]["outputs"][out]
            output["links"].append(link(ids[source], out, name, input_name, output["type"]))
    inputs, outside = [], []
    for slot, (name, input_name) in enumerate(SOCKETS + WIDGETS):
        kind, _ = inputs_of(NODES[name].kind)[input_name]
        number = link(INPUT, slot, name, input_name, kind)
        inputs.append({"id": identity(input_name), "name": input_name, "type": kind, "linkIds": [number]})
        widget = {"widget": {"name": input_name}} if is_widget(kind) else {}
        outside.append({"name": input_name, "type": kind, **widget, "link": None})
    outputs = []
    for slot, (name, out) in enumerate(RESULTS):
        output = drawn[name]["outputs"][out]
        number = len(links) + 1
        place = {"origin_id": ids[name], "origin_slot": out, "target_id": OUTPUT, "target_slot": slot}
        links.append({"id": number, **place, "type": output["type"]})
        output["links"].append(number)
        outputs.append(
            {"id": identity(output["name"]), "name": output["name"], "type": output["type"], "linkIds": [number]}
        )
    subgraph = {
        "id": identity(NAME),
        "version": 1,
        "state": {"lastGroupId": 0, "lastNodeId": max(ids.values()), "lastLinkId": len(links), "lastRerouteId": 0},
        "revision": 0,
        "config": {},
        "name": NAME,
        "inputNode": {"id": INPUT, "bounding": [-220, 0, 140, 260]},
        "outputNode": {"id": OUTPUT, "bounding": [1420, 0, 120, 80]},
        "inputs": inputs,
        "outputs": outputs,
        "widgets": [],
        "nodes": list(drawn.values()),
        "groups": [],
        "links": links,
        "extra": {},
        "category": "Sonic Studio",
        "description": DESCRIPTION,
    }
    outer = {
        "id": OUTER,
        "type": subgraph["id"],
        "pos": [0, 0],
        "size": [340, 380],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": outside,
        "outputs": [{"name": output["name"], "type": output["type"], "links": []} for output in outputs],
        "title": NAME,
        "properties": {"proxyWidgets": [[str(ids[name]), widget] for name, widget in WIDGETS]},
        "widgets_values": [],
    }
    return {
        "revision": 0,
        "last_node_id": max(ids.values()),
        "last_link_id": 0,
        "nodes": [outer],
        "links": [],
        "version": 0.4,
        "definitions": {"subgraphs": [subgraph]},
        "extra": {"BlueprintDescription": DESCRIPTION, "BlueprintSearchAliases": ALIASES},
    }


def rendered() -> dict[Path, str]:
    stand_in.start()
    return {FILE: json.dumps(blueprint(), indent=1, ensure_ascii=False) + "\n"}


def main() -> None:
    for path, text in rendered().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
