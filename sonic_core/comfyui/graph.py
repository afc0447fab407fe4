"""Workflows in ComfyUI's API format: reading one, and filling in files, settings and single inputs.

A graph is a dict of node id -> class_type and inputs. Nothing here talks to a server.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonic_core.errors import InputError, SettingsError
from sonic_core.finishing import MIN_LABEL_HEIGHT, TRANSPARENT, Finishing, parse_background, parse_canvas
from sonic_core.request import Request

if TYPE_CHECKING:
    from sonic_core.comfyui.client import Graph, OutputFile

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows" / "api"
MAX_BYTES = 10 * 2**20
VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".webm", ".mkv")
# Which widget takes the photo, the sound and the video, by node class.
IMAGE_INPUTS = {"LoadImage": "image"}
AUDIO_INPUTS = {"SonicLoadAudio": "audio", "LoadAudio": "audio", "RecordAudio": "audio"}
VIDEO_INPUTS = {"LoadVideo": "file"}
# Whose widgets a job's settings set; a loader's `trim` and an aligner's `lip_sync_offset` mean something else.
SETTING_NODES = ("SONIC_PreData", "SonicSampler", "SonicInterpolate", "SonicDialogue", "SonicDub")
PLACES = {"channel": ("SonicLoadAudio",)}  # settings that are widgets of other nodes
# Widgets that a workflow saved with 0.1.0 lacks and the server's node has.
AFTER_PASTING = ("SonicInterpolate", "SonicCanvas", "SonicLabel", "SonicRenderVideo")
OWN_TEXT = "own text"  # the language of SonicLabel that stands for another text
OWN_COLOUR = "own colour"  # the background of SonicCutOut that stands for its colour
BACKGROUND = "added_picture"  # the node that loads a job's background
OWN_SIZE = "own size"  # the canvas of SonicCanvas that stands for its width and height
NEWER = {
    "SONIC_PreData": ("lip_sync_offset", "fps", "covered_mouth"),
    "SonicDialogue": ("faces",),
    "SonicDub": ("who",),
}


def main_video(made: list[OutputFile]) -> OutputFile:
    """The video to fetch: a saved one if there is one, else the last preview. Raises InputError without any."""
    videos = [file for file in made if file.filename.lower().endswith(VIDEO_SUFFIXES)]
    if not videos:
        raise InputError("the workflow made no video; add Save Video to it")
    return next((file for file in videos if file.type == "output"), videos[-1])


def load_graph(workflow: str) -> Graph:
    """The graph of a bundled workflow or of a file. Raises InputError for one that is not in API format."""
    path = WORKFLOWS / f"sonic_{workflow}.json"
    if not path.is_file():
        path = Path(workflow)
    if not path.is_file():
        known = ", ".join(known_workflows())
        raise InputError(f"there is no workflow {workflow!r}; give {known + ' or ' if known else ''}the path of a file")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"workflow {workflow!r} is larger than {MAX_BYTES // 2**20} MB; give a workflow in API format")
    try:
        graph = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"workflow {workflow!r} is not JSON ({error}); export it again") from error
    nodes = graph.values() if isinstance(graph, dict) else []
    if not nodes or not all(isinstance(node, dict) and "class_type" in node for node in nodes):
        raise InputError(f"workflow {workflow!r} is not in API format; export it with Workflow > Export (API)")
    return dict(graph)


def dialogue_graph() -> Graph:
    """The bundled dialogue for one photo of two and one stereo sound, the channel on the left for the first face."""
    graph = load_graph("dialogue")
    for node in _nodes(graph, "SonicDialogue"):
        del graph[node.pop("image_right")[0]]
    for channel, inputs in zip(("left", "right"), _nodes(graph, "SonicLoadAudio"), strict=True):
        inputs |= {"start": 0.0, "trim": 0.0, "delay": 0.0, "channel": channel}
    return graph


def known_workflows() -> list[str]:
    """The names of the bundled workflows, as `load_graph` takes them."""
    return sorted(file.stem.removeprefix("sonic_") for file in WORKFLOWS.glob("sonic_*.json"))


def loaders_of(graph: Graph, places: dict[str, str]) -> list[dict[str, Any]]:
    """The nodes that load a file of a kind, in their order in the graph."""
    return [node for node in graph.values() if node["class_type"] in places]


def fill(graph: Graph, places: dict[str, str], names: Sequence[str], what: str) -> None:
    """Put the names of uploaded files into the loaders of their kind: a single one into all, else one each.

    Raises InputError when the graph has no such loader.
    """
    loaders = loaders_of(graph, places)
    if not loaders:
        raise InputError(f"the workflow has no place for the {what}; add one of {', '.join(places)}")
    for index, node in enumerate(loaders):
        node["inputs"][places[node["class_type"]]] = names[index if len(names) > 1 else 0]


def check_given(graph: Graph, places: dict[str, str], files: Sequence[Path], option: str) -> None:
    """Raise InputError unless files are given exactly where the workflow loads some: one for all, or one each."""
    wanted = len(loaders_of(graph, places))
    if wanted and not files:
        raise InputError(f"the workflow loads a file of yours; name it with {option}")
    if files and not wanted:
        raise InputError(f"the workflow has no place for {option}; add one of {', '.join(places)}")
    if len(files) not in (0, 1, wanted):
        raise InputError(f"{option} was given {len(files)} times; the workflow loads {wanted}: give one, or {wanted}")


def described(graph: Graph) -> list[str]:
    """What a workflow takes, a line each: files by their options, then every widget as `set_input` names it."""
    options = {"--image": IMAGE_INPUTS, "--audio": AUDIO_INPUTS, "--video": VIDEO_INPUTS}
    lines = [
        f"{option}{f' (1 or {count})' if count > 1 else ''}"
        for option, places in options.items()
        if (count := len(loaders_of(graph, places)))
    ]
    files = {(kind, name) for places in options.values() for kind, name in places.items()}
    for key, node in graph.items():
        title = node.get("_meta", {}).get("title", node["class_type"])
        lines += [
            f"{key}.{name}={value}  ({title})"
            for name, value in node["inputs"].items()
            if not isinstance(value, list) and (node["class_type"], name) not in files
        ]
    return lines


def set_input(graph: Graph, assignment: str) -> None:
    """Apply "name=value" to every widget of that name; "Class.name=value" or "id.name=value" to those of some nodes.

    The value takes the type of the one it replaces. Raises SettingsError when it does not fit, or nothing has the name.
    """
    path, equals, text = assignment.partition("=")
    which, _, name = path.rpartition(".")
    widgets = [
        node["inputs"]
        for node_id, node in graph.items()
        if name in node["inputs"]
        and not isinstance(node["inputs"][name], list)
        and which in ("", node_id, node["class_type"])
    ]
    if not equals or not widgets:
        known = {key for node in graph.values() for key, value in node["inputs"].items() if not isinstance(value, list)}
        raise SettingsError(
            f"--set {assignment!r} names no input; give name=value with one of {', '.join(sorted(known))}"
        )
    for inputs in widgets:
        inputs[name] = _like(inputs[name], text, assignment)


def _like(old: Any, text: str, assignment: str) -> Any:
    if isinstance(old, bool):
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise SettingsError(f"--set {assignment!r}: give true or false")
    if isinstance(old, (int, float)):
        try:
            return type(old)(text)
        except ValueError:
            raise SettingsError(f"--set {assignment!r}: give a number") from None
    return text


def without_copies(graph: Graph) -> Graph:
    """The graph without Save Video where Sonic: Render Video makes the file to fetch: no copy stays on the server."""
    if not any(node["class_type"] == "SonicRenderVideo" for node in graph.values()):
        return graph
    return {key: node for key, node in graph.items() if node["class_type"] != "SaveVideo"}


def apply_request(graph: Graph, request: Request) -> None:
    """Set the widgets of what was asked for by name; the workflow decides the rest.

    Raises InputError for a setting that the workflow has no widget for.
    """
    asked = {name: value for name, value in request.as_mapping().items() if value is not None}
    _apply_framing(graph, asked)
    for name, value in asked.items():
        if isinstance(value, list):  # which would be a link
            asked[name] = " ".join(f"{number:g}" for number in value)
    _apply_finishing(graph, request.finishing, asked)
    for name, value in asked.items():
        if name not in Finishing.__dataclass_fields__:
            _set_widgets(graph, name, value)


def _apply_framing(graph: Graph, asked: dict[str, Any]) -> None:
    """Put in or take out what pastes the face back; what is left in `asked` are values of widgets."""
    if asked.get("framing") == "face":  # the square itself is wanted
        for key in [key for key, node in graph.items() if node["class_type"] == "SonicPasteBack"]:
            _bypass(graph, key)
    if asked.get("framing") == "photo":
        if not _nodes(graph, "SonicPasteBack"):
            _insert(graph, "SonicPasteBack", AFTER_PASTING)
        asked["framing"] = "face"  # pasted back by the node, after smoothing
    if _nodes(graph, "SonicDialogue"):
        asked.pop("voices", None)  # the graph itself says so, and shows whole photos
        if asked.get("framing") == "whole":
            del asked["framing"]


def _set_widgets(graph: Graph, name: str, value: Any) -> None:
    """Set every widget of that name. Raises InputError where the workflow has none."""
    widgets = [
        node["inputs"]
        for node in graph.values()
        if node["class_type"] in PLACES.get(name, SETTING_NODES)
        and (name in node["inputs"] or name in NEWER.get(node["class_type"], ()))
    ]
    if not widgets:
        raise InputError(f"The workflow of this ComfyUI worker has no input {name!r}; leave the setting out.")
    for inputs in widgets:
        inputs[name] = value


def _apply_finishing(graph: Graph, wanted: Finishing, asked: Collection[str]) -> None:
    """Set the widgets of the finishing nodes; put in those that are missing, in the order of `finish.chain`."""
    if wanted.canvas is not None:
        nodes = _nodes(graph, "SonicCanvas") or [_insert(graph, "SonicCanvas", ("SonicLabel", "SonicRenderVideo"))]
        width, height = parse_canvas(wanted.canvas)
        size = {"canvas": OWN_SIZE, "width": width, "height": height}
        for inputs in nodes:
            inputs |= size | {"mode": wanted.canvas_mode}
    if "smooth" in asked:
        nodes = _nodes(graph, "SonicSmooth")
        if not nodes and wanted.smooth > 0:
            nodes = [_insert(graph, "SonicSmooth", ("SonicPasteBack", *AFTER_PASTING))]
        for inputs in nodes:
            inputs["strength"] = wanted.smooth
    if wanted.background is not None:
        _apply_background(graph, wanted.background)
    _apply_label(graph, wanted)
    if not wanted.record:
        for inputs in _nodes(graph, "SonicRenderVideo"):
            inputs["ai_record"] = False


def _apply_label(graph: Graph, wanted: Finishing) -> None:
    """Turn the labels of the workflow on or off; put one in where it is wanted and missing."""
    shown = _nodes(graph, "SonicLabel")
    if not shown and wanted.words is not None:
        shown = [_insert(graph, "SonicLabel", ("SonicRenderVideo",))]
    for inputs in shown:
        inputs["visible"] = wanted.words is not None
        if wanted.words is not None:
            own = wanted.label_text
            inputs |= {"language": OWN_TEXT if own else wanted.label, "text": own or "", "height": MIN_LABEL_HEIGHT}
            inputs |= {"seconds": wanted.label_seconds, "corner": wanted.label_corner}


def _apply_background(graph: Graph, background: str) -> None:
    """Cut the person out first of all, and put the colour or picture behind them when the canvas is there.

    A picture is loaded by the node BACKGROUND, whose file the caller fills in.
    """
    asked = parse_background(background)
    if not _nodes(graph, "SonicCutOut"):
        _insert(graph, "SonicCutOut", ("SonicSmooth", "SonicPasteBack", *AFTER_PASTING))
    for inputs in _nodes(graph, "SonicCutOut"):
        inputs |= {"background": TRANSPARENT, "colour": "#ffffff"}
    if asked is None:
        for inputs in _nodes(graph, "SonicRenderVideo"):
            inputs["format"] = "webm"
        return
    behind = _insert(graph, "SonicCutOut", ("SonicLabel", "SonicRenderVideo"), "added_background")
    if isinstance(asked, Path):
        graph[BACKGROUND] = {"class_type": "LoadImage", "inputs": {"image": ""}}
        behind |= {"background": "picture", "colour": "#ffffff", "picture": [BACKGROUND, 0]}
    else:
        behind |= {"background": OWN_COLOUR, "colour": "#{:02x}{:02x}{:02x}".format(*asked)}


def _nodes(graph: Graph, kind: str) -> list[dict[str, Any]]:
    """The inputs of every node of a class."""
    return [node["inputs"] for node in graph.values() if node["class_type"] == kind]


def _insert(graph: Graph, kind: str, before: Sequence[str], key: str = "") -> dict[str, Any]:
    """Put a node from clip to clip in front of the first class in `before` that is there. Returns its inputs."""
    place = next((inputs for other in before for inputs in _nodes(graph, other) if "clip" in inputs), None)
    if place is None:
        raise InputError(f"The workflow of this ComfyUI worker has no place for {kind}; add Sonic: Render Video to it.")
    inputs = {"clip": place["clip"]}
    key = key or f"added_{kind}"
    graph[key] = {"class_type": kind, "inputs": inputs}
    place["clip"] = [key, 0]
    return inputs


def _bypass(graph: Graph, key: str) -> None:
    """Take a node from clip to clip out, and connect its neighbours."""
    source = graph.pop(key)["inputs"]["clip"]
    for node in graph.values():
        for name, value in node["inputs"].items():
            if isinstance(value, list) and value[0] == key:
                node["inputs"][name] = source
