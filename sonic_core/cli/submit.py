"""The command `submit`: a photo and a sound to a ComfyUI server with the pack, the finished video back."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sonic_core.comfyui.graph import (
    AUDIO_INPUTS,
    IMAGE_INPUTS,
    VIDEO_INPUTS,
    check_given,
    described,
    fill,
    known_workflows,
    load_graph,
    main_video,
    set_input,
)
from sonic_core.errors import InputError, MissingExtraError


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("submit", help="let a ComfyUI server make the video")
    parser.add_argument("--server", default="http://127.0.0.1:8188", help="address of ComfyUI (%(default)s)")
    parser.add_argument(
        "--workflow", help="a workflow that --list names, or a file in API format (fast)", metavar="WORKFLOW"
    )
    parser.add_argument("--list", action="store_true", help="name the workflows, or say what --workflow takes")
    for option, what in (("--image", "a photo"), ("--audio", "a speech"), ("--video", "a video")):
        text = f"{what} for the workflow; again where it loads several"
        parser.add_argument(option, type=Path, action="append", default=[], help=text)
    parser.add_argument("--output", type=Path, help="the video to write")
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
    if args.list:
        return listed(args.workflow)
    graph = load_graph(args.workflow or "fast")
    given = [
        (IMAGE_INPUTS, args.image, "--image", "photo"),
        (AUDIO_INPUTS, args.audio, "--audio", "sound"),
        (VIDEO_INPUTS, args.video, "--video", "video"),
    ]
    for places, files, option, _ in given:
        check_given(graph, places, files, option)
    if args.output is None:
        raise InputError("there is no place for the video; name one with --output")
    for assignment in args.set:
        set_input(graph, assignment)
    try:
        from sonic_core.comfyui.client import ComfyUI
    except ImportError as error:
        raise MissingExtraError(f"submit needs {error.name}; run pip install 'sonic-studio[fleet]'") from error
    from sonic_core.cli.generate import Bar
    from sonic_core.cli.output_options import check_output

    check_output(args.output)
    with ComfyUI(args.server) as server, Bar("waiting") as bar:
        for places, files, _, what in given:
            if files:
                fill(graph, places, [server.upload(file) for file in files], what)
        made = server.run(graph, bar.update)
        server.download(main_video(made), args.output)
    sys.stdout.write(f"{args.output}\n")
    return 0


def listed(workflow: str | None) -> int:
    """Write the names of the workflows, or what one takes."""
    lines = known_workflows() if workflow is None else described(load_graph(workflow))
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0
