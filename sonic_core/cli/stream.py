"""The command `stream`: a photo and a sound to a video that plays while the rest of it is being made."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sonic_core.cli.finishing_options import add_finishing_options, finishing_from, signed
from sonic_core.cli.generate import Bar
from sonic_core.cli.model_options import add_model_options, load_pipeline, model_options
from sonic_core.cli.options import add_settings_options, settings_from
from sonic_core.errors import SettingsError
from sonic_core.finishing import is_transparent
from sonic_core.request import Request

PLAIN = "video.mp4"


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("stream", help="make a video that plays while it is being made (HLS)")
    parser.add_argument("--image", required=True, type=Path, help="the portrait: JPEG, PNG, WebP")
    parser.add_argument("--audio", required=True, type=Path, help="the speech: any sound file, or a video with sound")
    parser.add_argument(
        "--output", required=True, type=Path, help=f"folder for index.m3u8 and its segments, at the end {PLAIN} too"
    )
    add_model_options(parser)
    parser.add_argument("--crf", type=int, default=18, choices=range(0, 52), metavar="N", help="x264 quality (18)")
    add_settings_options(parser)
    add_finishing_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    settings, wanted = settings_from(args), finishing_from(args)
    model_options(args)
    if is_transparent(wanted.finishing.background):
        raise SettingsError("a stream cannot be transparent; choose a colour or a picture as background")
    from sonic_core.media.audio import sound_for
    from sonic_core.media.hls import check_folder, save_plain, save_stream
    from sonic_core.media.image import load_image

    check_folder(args.output)
    photo, audio = load_image(args.image), sound_for(args.audio, settings)
    pipe = load_pipeline(args)
    with Bar("sampling") as bar:
        clip = pipe.stream(photo, audio, Request(settings, wanted.finishing), bar.update)
    with Bar("rendering") as bar:
        playlist = save_stream(clip, args.output, args.crf, bar.update)
    plain = save_plain(args.output, args.output / PLAIN)
    signed(plain, wanted)
    sys.stdout.write(f"{playlist} and {plain.name}: {clip.frame_count} frames, {clip.seconds:.2f} s\n")
    return 0
