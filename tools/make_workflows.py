"""Writes the workflows from one description: `workflows/*.json` for the canvas, `workflows/api/*.json` for clients.

    python tools/make_workflows.py

The description below says which nodes there are, where they stand and what is connected; names, widgets and their
order come from the nodes' own schemas. A test compares the files with what this makes.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import stand_in

from sonic_core.weights.catalog import FILES

ROOT = stand_in.ROOT
FRONT_END_TYPES = ("INT", "FLOAT", "STRING", "BOOLEAN")
COLOURS = {"input": "#5f9fb5", "model": "#9a7fc0", "make": "#6fb57f", "finish": "#c0a95f", "save": "#c07f7f"}

# The core nodes in use, as /object_info tells of them; the front end knows the rest.
CORE: dict[str, dict[str, Any]] = {
    "LoadImage": {
        "input": {"required": {"image": ("COMBO", {})}},
        "output": ["IMAGE", "MASK"],
        "output_name": ["IMAGE", "MASK"],
    },
    "PreviewImage": {"input": {"required": {"images": ("IMAGE", {})}}, "output": [], "output_name": []},
    "SaveVideo": {
        "input": {
            "required": {
                "video": ("VIDEO", {}),
                "filename_prefix": ("STRING", {"default": "video/ComfyUI"}),
                "format": ("COMBO", {"default": "auto"}),
                "codec": ("COMBO", {"default": "auto"}),
            }
        },
        "output": [],
        "output_name": [],
    },
}


@dataclass(frozen=True)
class Node:
    """A node: class, place and size on the canvas, widgets that differ from their defaults, and connected inputs."""

    kind: str
    at: tuple[int, int]
    size: tuple[int, int]
    set: dict[str, Any] = field(default_factory=dict)
    links: dict[str, tuple[str, int]] = field(default_factory=dict)  # input -> (name of a node, its output)


@dataclass(frozen=True)
class Workflow:
    nodes: dict[str, Node]
    groups: list[tuple[str, str, list[str]]]  # title, colour, names of the nodes in it
    notes: list[tuple[tuple[int, int], tuple[int, int], str]]  # place, size, Markdown


def talking(
    preset: str, finishing: list[tuple[str, str, dict[str, Any]]], prepare: dict[str, Any], note: str
) -> Workflow:
    """Photo and sound to a video: prepare, sample, decode, the finishing stages in a row, render, save."""
    nodes = {
        "model": Node("SonicLoadModel", (0, -330), (360, 150)),
        "photo": Node("LoadImage", (0, -60), (360, 340), {"image": "sonic_portrait.jpg"}),
        "sound": Node("SonicLoadAudio", (0, 400), (360, 290), {"audio": "sonic_speech.flac"}),
        "prepare": Node(
            "SONIC_PreData",
            (440, -60),
            (360, 340),
            prepare,
            {"model": ("model", 0), "image": ("photo", 0), "audio": ("sound", 0)},
        ),
        "seen": Node("PreviewImage", (440, 400), (360, 290), {}, {"images": ("prepare", 1)}),
        "sample": Node(
            "SonicSampler",
            (880, -190),
            (340, 290),
            {"preset": preset},
            {"model": ("model", 0), "predata": ("prepare", 0)},
        ),
        "decode": Node("SonicDecode", (1300, -330), (240, 60), {}, {"model": ("model", 0), "latents": ("sample", 0)}),
    }
    x, clip = 1300, "decode"
    for index, (name, kind, widgets) in enumerate(finishing):
        height = 60 + 26 * len(widget_names(kind))
        nodes[name] = Node(kind, (x + 300 * index + 320, -330), (260, height), widgets, {"clip": (clip, 0)})
        clip = name
    x += 300 * len(finishing) + 320
    nodes["render"] = Node("SonicRenderVideo", (x + 20, -330), (400, 520), {}, {"clip": (clip, 0)})
    nodes["save"] = Node(
        "SaveVideo", (x + 480, -330), (400, 520), {"filename_prefix": "video/sonic"}, {"video": ("render", 0)}
    )
    groups = [
        ("1  Model, photo, voice", COLOURS["input"], ["model", "photo", "sound"]),
        ("2  Prepare and look", COLOURS["model"], ["prepare", "seen"]),
        ("3  Make the motion", COLOURS["make"], ["sample"]),
        ("4  Frames and finish", COLOURS["finish"], ["decode", *(name for name, _, _ in finishing)]),
        ("5  Video", COLOURS["save"], ["render", "save"]),
    ]
    notes = [((880, 240), (660, 250), note)]
    return Workflow(nodes, groups, notes)


NOTE = """### {title}

1. Choose a photo and a voice on the left (or drop files on the nodes).
2. Press **Run**. *Prepare and look* shows the face that was found. No face? Give it by hand in `face_box`.
3. The video plays in **Render Video**; **Save Video** keeps it in ComfyUI's `output/video`.

**Model** `lite` is bundled and runs on any computer. For the released Sonic model put its files into
`models/sonic` and choose `sonic` in *Load Model*: nothing else changes.

{more}
"""
FAST_NOTE = NOTE.format(
    title="Sonic Studio: fast",
    more="Preset `fast` takes 10 steps and approximates. The workflow *sonic_high_quality* takes all of them.",
)
HIGH_NOTE = NOTE.format(
    title="Sonic Studio: high quality",
    more="The face is animated as a square and put back into the photo at its full size. "
    "*Lip Align* measures lips against sound and mends a difference; *Smooth* takes out jitter and flicker.",
)


def workflows() -> dict[str, Workflow]:
    return {
        "sonic_fast": talking("fast", [("label", "SonicLabel", {})], {}, FAST_NOTE),
        "sonic_high_quality": talking(
            "high_quality",
            [
                ("align", "SonicLipAlign", {}),
                ("smooth", "SonicSmooth", {}),
                ("paste", "SonicPasteBack", {}),
                ("label", "SonicLabel", {}),
            ],
            {"framing": "face"},
            HIGH_NOTE,
        ),
    }


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
        graph[ids[name]] = {"class_type": node.kind, "inputs": inputs, "_meta": {"title": title_of(node.kind)}}
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
    for place, size, text in workflow.notes:
        made.append(note_node(len(made) + 1, place, size, text))
    return {
        "last_node_id": len(made),
        "last_link_id": len(links),
        "nodes": made,
        "links": links,
        "groups": [group_box(index + 1, *group, workflow) for index, group in enumerate(workflow.groups)],
        "config": {},
        "extra": {"ds": {"scale": 0.6, "offset": [80, 480]}},
        "version": 0.4,
    }


def canvas_node(node_id: int, node: Node) -> dict[str, Any]:
    info = info_of(node.kind)
    entries = []
    for name, (kind, _) in inputs_of(node.kind).items():
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
    if node.kind == "SonicLoadModel":
        properties["models"] = model_links()
    return {
        "id": node_id,
        "type": node.kind,
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


def note_node(node_id: int, place: tuple[int, int], size: tuple[int, int], text: str) -> dict[str, Any]:
    return {
        "id": node_id,
        "type": "MarkdownNote",
        "pos": list(place),
        "size": list(size),
        "flags": {},
        "order": node_id - 1,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "properties": {},
        "widgets_values": [text],
        "color": "#2a363b",
        "bgcolor": "#3f5159",
    }


def group_box(group_id: int, title: str, colour: str, names: list[str], workflow: Workflow) -> dict[str, Any]:
    """A group around its nodes, with room for their title bars and its own."""
    nodes = [workflow.nodes[name] for name in names]
    left, top = min(n.at[0] for n in nodes) - 20, min(n.at[1] for n in nodes) - 80
    right = max(n.at[0] + n.size[0] for n in nodes) + 20
    bottom = max(n.at[1] + n.size[1] for n in nodes) + 20
    return {
        "id": group_id,
        "title": title,
        "bounding": [left, top, right - left, bottom - top],
        "color": colour,
        "font_size": 24,
        "flags": {},
    }


def info_of(kind: str) -> dict[str, Any]:
    return CORE[kind] if kind in CORE else pack_info()[kind]


def pack_info(known: dict[str, Any] = {}) -> dict[str, Any]:  # noqa: B006  # asked for once
    if not known:
        known.update(stand_in.object_info())
    return known


def inputs_of(kind: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Input name -> (type, options), the required ones first, as the front end orders them."""
    given = info_of(kind)["input"]
    return {
        name: (str(entry[0]), entry[1] if len(entry) > 1 else {})
        for part in ("required", "optional")
        for name, entry in given.get(part, {}).items()
    }


def widget_names(kind: str) -> list[str]:
    return [name for name, (type_name, _) in inputs_of(kind).items() if is_widget(type_name)]


def is_widget(type_name: str) -> bool:
    return type_name in FRONT_END_TYPES or type_name == "COMBO"


def widget_value(node: Node, name: str, options: dict[str, Any]) -> Any:
    return node.set[name] if name in node.set else options["default"]


def title_of(kind: str) -> str:
    return str(info_of(kind).get("display_name") or kind)


def version() -> str:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return text.split('\nversion = "')[1].split('"')[0]


def model_links() -> list[dict[str, str]]:
    """The released model's files, which the front end offers to download into ComfyUI's models folder."""
    links = []
    for file in FILES:
        path = PurePosixPath("sonic") / file.path
        link = {"name": path.name, "url": file.url, "directory": str(path.parent)}
        links.append(link | ({"hash": file.sha256, "hash_type": "SHA256"} if file.sha256 else {}))
    return links


def rendered() -> dict[Path, str]:
    """Every file and its text."""
    stand_in.start()
    files = {}
    for name, workflow in workflows().items():
        for path, content in (
            (ROOT / "workflows" / f"{name}.json", canvas_format(workflow)),
            (ROOT / "workflows" / "api" / f"{name}.json", api_format(workflow)),
        ):
            files[path] = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    return files


def main() -> None:
    for path, text in rendered().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
