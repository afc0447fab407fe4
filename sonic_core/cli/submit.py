"""The command `submit`: a photo and a sound to a ComfyUI server with the pack, the finished video back."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sonic_core.comfyui.graph import AUDIO_INPUTS, IMAGE_INPUTS, check_given, fill, load_graph, main_video, set_input
from sonic_core.errors import MissingExtraError


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
    from sonic_core.cli.generate import Bar
    from sonic_core.cli.output_options import check_output

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
