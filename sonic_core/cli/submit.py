"""The command `submit`: a photo and a sound to a ComfyUI server with the pack, the finished video back."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonic_core.errors import InputError, MissingExtraError, SettingsError

if TYPE_CHECKING:
    from sonic_core.comfyui.client import Graph, OutputFile

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows" / "api"
MAX_BYTES = 10 * 2**20
VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".webm", ".mkv")
# Which widget takes the photo and the sound, by node class.
IMAGE_INPUTS = {"LoadImage": "image"}
AUDIO_INPUTS = {"SonicLoadAudio": "audio", "LoadAudio": "audio"}


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("submit", help="let a ComfyUI server make the video")
    parser.add_argument("--server", default="http://127.0.0.1:8188", help="address of ComfyUI (%(default)s)")
    parser.add_argument(
        "--workflow", default="fast", help="fast, high_quality, oss, or a workflow file in API format (%(default)s)"
    )
    parser.add_argument("--image", type=Path, help="the portrait; the workflow oss names one in storage by --set")
    parser.add_argument("--audio", type=Path, help="the speech; likewise")
    parser.add_argument("--output", required=True, type=Path, help="the video to write")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set an input of the workflow by name, such as seed=5, SonicLoadAudio.trim=3 (all nodes of a class) or "
        "2.source=inputs/me/1/photo.jpg (one node, by its number); may be repeated",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    graph = load_graph(args.workflow)
    check_given(graph, IMAGE_INPUTS, args.image, "--image")
    check_given(graph, AUDIO_INPUTS, args.audio, "--audio")
    for assignment in args.set:
        set_input(graph, assignment)
    try:
        from sonic_core.comfyui.client import ComfyUI
    except ImportError as error:
        raise MissingExtraError(f"submit needs {error.name}; run pip install 'sonic-studio[fleet]'") from error
    from sonic_core.cli.generate import Bar, check_output

    check_output(args.output)
    with ComfyUI(args.server) as server, Bar("waiting") as bar:
        if args.image is not None:
            fill(graph, IMAGE_INPUTS, server.upload(args.image), "photo")
        if args.audio is not None:
            fill(graph, AUDIO_INPUTS, server.upload(args.audio), "sound")
        made = server.run(graph, lambda fraction, _: bar.update(round(fraction * 100), 100))
        server.download(main_video(made), args.output)
    sys.stdout.write(f"{args.output}\n")
    return 0


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
        known = ", ".join(sorted(file.stem.removeprefix("sonic_") for file in WORKFLOWS.glob("sonic_*.json")))
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


def fill(graph: Graph, places: dict[str, str], name: str, what: str) -> None:
    """Put an uploaded file's name into every loader of its kind. Raises InputError when the graph has none."""
    loaders = [node for node in graph.values() if node["class_type"] in places]
    if not loaders:
        raise InputError(f"the workflow has no place for the {what}; add one of {', '.join(places)}")
    for node in loaders:
        node["inputs"][places[node["class_type"]]] = name


def check_given(graph: Graph, places: dict[str, str], file: Path | None, option: str) -> None:
    """Raise InputError unless a file is given exactly where the workflow loads one."""
    wanted = any(node["class_type"] in places for node in graph.values())
    if wanted and file is None:
        raise InputError(f"the workflow loads a file of yours; name it with {option}")
    if file is not None and not wanted:
        raise InputError(f"the workflow has no place for {option}; add one of {', '.join(places)}")


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
