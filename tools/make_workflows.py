"""Writes the workflows from one description: `workflows/*.json` for the canvas, `workflows/api/*.json` for clients.

    python tools/make_workflows.py

`workflow_plans.py` says which nodes there are, where they stand and what is connected; names, widgets and their order
come from the nodes' own schemas. A test compares the files with what this makes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import stand_in
from schemas import CORE, info_of, inputs_of, is_widget
from workflow_notes import chinese
from workflow_plans import Node, Note, Workflow, photo_workflows
from workflow_videos import video_workflows

ROOT = stand_in.ROOT
GROWING = "COMFY_AUTOGROW_V3"


def api_format(workflow: Workflow) -> dict[str, Any]:
    """What a client posts to /prompt."""
    ids = {name: str(index + 1) for index, name in enumerate(workflow.nodes)}
    graph = {}
    for name, node in workflow.nodes.items():
        inputs: dict[str, Any] = {}
        for input_name, (kind, options) in inputs_of(node.kind).items():
            if input_name in node.links:
                source, slot = node.links[input_name]
                inputs[input_name] = [ids[source], slot]
            elif is_widget(kind):
                inputs[input_name] = widget_value(node, input_name, options)
        graph[ids[name]] = {"class_type": node.kind, "inputs": inputs, "_meta": {"title": title_of(node)}}
    return graph


def canvas_format(workflow: Workflow) -> dict[str, Any]:
    """What the front end loads (format 0.4)."""
    ids = {name: index + 1 for index, name in enumerate(workflow.nodes)}
    links: list[list[Any]] = []
    drawn = {name: canvas_node(ids[name], node) for name, node in workflow.nodes.items()}
    for name, node in workflow.nodes.items():
        for input_name, (source, slot) in node.links.items():
            index = next(i for i, entry in enumerate(drawn[name]["inputs"]) if entry["name"] == input_name)
            output = drawn[source]["outputs"][slot]
            link = len(links) + 1
            drawn[name]["inputs"][index]["link"] = link
            output["links"].append(link)
            links.append([link, ids[source], slot, ids[name], index, output["type"]])
    made = list(drawn.values())
    made += [note_node(len(made) + 1 + index, beside) for index, beside in enumerate(workflow.notes)]
    return {
        "last_node_id": len(made),
        "last_link_id": len(links),
        "nodes": made,
        "links": links,
        "groups": [group_box(index + 1, *group, workflow) for index, group in enumerate(workflow.groups)],
        "config": {},
        "extra": {"ds": {"scale": 1.0, "offset": [28, 76]}} | app_of(workflow, ids),
        "version": 0.4,
    }


def app_of(workflow: Workflow, ids: dict[str, int]) -> dict[str, Any]:
    """What the front end's app mode shows of a workflow; older ones ignore it."""
    if workflow.app is None:
        return {}
    inputs = [[ids[node], widget] for node, widget in workflow.app.inputs]
    return {"linearMode": True, "linearData": {"inputs": inputs, "outputs": [ids[n] for n in workflow.app.outputs]}}


def canvas_node(node_id: int, node: Node) -> dict[str, Any]:
    info = info_of(node.kind)
    entries = []
    for name, (kind, _) in inputs_of(node.kind).items():
        if kind == GROWING:  # the front end makes its sockets, and would show it as one of its own
            continue
        entry: dict[str, Any] = {"name": name, "type": kind, "link": None}
        if is_widget(kind):
            entry["widget"] = {"name": name}
        entries.append(entry)
    core = node.kind in CORE
    properties: dict[str, Any] = {
        "Node name for S&R": node.kind,
        "cnr_id": "comfy-core" if core else "sonic-studio",
        "ver": "0.3.64" if core else version(),
    }
    title = {"title": node.title} if node.title else {}
    return {
        "id": node_id,
        "type": node.kind,
        **title,
        "pos": list(node.at),
        "size": list(node.size),
        "flags": {},
        "order": node_id - 1,
        "mode": 0,
        "inputs": entries,
        "outputs": [
            {"name": name, "type": kind, "links": []}
            for name, kind in zip(info["output_name"], info["output"], strict=True)
        ],
        "properties": properties,
        "widgets_values": canvas_values(node),
    }


def canvas_values(node: Node) -> list[Any]:
    """Widget values in the order in which the front end keeps them; a seed is followed by what happens to it next."""
    values = []
    for name, (kind, options) in inputs_of(node.kind).items():
        if is_widget(kind):
            values.append(widget_value(node, name, options))
            if options.get("control_after_generate"):
                values.append("fixed")
    return values


def note_node(node_id: int, note: Note) -> dict[str, Any]:
    return {
        "id": node_id,
        "type": "MarkdownNote",
        **({"title": note.title} if note.title else {}),
        "pos": list(note.at),
        "size": list(note.size),
        "flags": {"collapsed": True} if note.title else {},
        "order": node_id - 1,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "properties": {},
        "widgets_values": [note.text],
        "color": "#2a363b",
        "bgcolor": "#3f5159",
    }


def group_box(group_id: int, title: str, colour: str, names: list[str], workflow: Workflow) -> dict[str, Any]:
    """A group around its nodes, with room for their title bars and its own."""
    nodes = [workflow.nodes[name] for name in names]
    left, top = min(n.at[0] for n in nodes) - 20, min(n.at[1] for n in nodes) - 66
    right = max(n.at[0] + n.size[0] for n in nodes) + 20
    bottom = max(n.at[1] + n.size[1] for n in nodes) + 12
    return {
        "id": group_id,
        "title": title,
        "bounding": [left, top, right - left, bottom - top],
        "color": colour,
        "font_size": 24,
        "flags": {},
    }


def widget_value(node: Node, name: str, options: dict[str, Any]) -> Any:
    return node.set[name] if name in node.set else options["default"]


def title_of(node: Node) -> str:
    return node.title or str(info_of(node.kind).get("display_name") or node.kind)


def version() -> str:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return text.split('\nversion = "')[1].split('"')[0]


def rendered() -> dict[Path, str]:
    """Every file and its text."""
    stand_in.start()
    files = {}
    for name, workflow in (photo_workflows() | video_workflows()).items():
        for path, content in (
            (ROOT / "workflows" / f"{workflow.title}.json", canvas_format(workflow)),
            (ROOT / "workflows" / "api" / f"{name}.json", api_format(workflow)),
        ):
            files[path] = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    files[ROOT / "web" / "words" / "zh.json"] = json.dumps(chinese(), indent=1, ensure_ascii=False) + "\n"
    return files


def main() -> None:
    for path, text in rendered().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
