"""The command `dialogue`: several people in one picture talk to one another."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonic_core.cli.finishing_options import add_finishing_options, finishing_from, signed
from sonic_core.cli.generate import Bar
from sonic_core.cli.model_options import add_model_options, load_pipeline, model_options
from sonic_core.cli.options import add_settings_options, settings_from
from sonic_core.cli.output_options import add_output_options, output_from
from sonic_core.errors import SettingsError
from sonic_core.request import Request
from sonic_core.settings import Settings

if TYPE_CHECKING:
    import numpy as np

    from sonic_core.clip import Audio

# They mean one face or one recording.
NOT_HERE = {"duration", "trim", "framing", "expand_ratio", "face_index", "face_box", "voices", "channel"}


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("dialogue", help="let several people in one picture talk to one another")
    text = "a picture with several people; given twice with --layout side, a picture of each of two"
    parser.add_argument("--image", required=True, action="append", type=Path, help=text)
    parser.add_argument("--layout", choices=("one", "side"), default="one", help="side: two photos side by side")
    parser.add_argument(
        "--voice", action="append", default=[], type=Path, metavar="FILE", help="a speech; one for each person"
    )
    parser.add_argument("--audio", type=Path, help="one sound with everybody in it: needs --turns or --channels")
    parser.add_argument("--turns", type=Path, help="RTTM file that says who speaks when in --audio")
    parser.add_argument("--channels", action="store_true", help="the channels of --audio are a speaker each")
    parser.add_argument("--output", required=True, type=Path, help="the video to write, .mp4")
    add_model_options(parser)
    add_settings_options(parser, {setting.name for setting in fields(Settings)} - NOT_HERE)
    add_finishing_options(parser)
    add_output_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    settings, wanted = settings_from(args), finishing_from(args)
    check_what_to_do(args)
    model_options(args)
    output = output_from(args)
    photo, voices = read_picture(args), read_voices(args)
    pipe = load_pipeline(args)
    with Bar("listening") as bar:
        clip = pipe.dialogue(photo, voices, None, Request(settings, wanted.finishing), bar.update)
    with Bar("rendering") as bar:
        pipe.save_video(
            output.subtitled(clip), output.path, on_frame=bar.update, encoding=output.encoding, subtitles=output.track
        )
    signed(args.output, wanted)
    sys.stdout.write(f"{args.output}: {clip.frame_count} frames, {clip.seconds:.2f} s\n")
    return 0


def check_what_to_do(args: argparse.Namespace) -> None:
    """Refuse options that contradict one another. Raises SettingsError."""
    given = len(args.image)
    if args.layout == "side" and given != 2:
        raise SettingsError(f"--layout side puts two photos side by side but {given} --image was given; give two")
    if args.layout == "one" and given != 1:
        raise SettingsError(f"{given} --image were given; give one that shows everybody, or two with --layout side")
    if bool(args.voice) == (args.audio is not None):
        raise SettingsError("give either a --voice for each person, or one --audio with --turns or --channels")
    if args.audio is not None and (args.turns is not None) == args.channels:
        raise SettingsError("--audio holds everybody: say who speaks when with either --turns FILE or --channels")


def read_picture(args: argparse.Namespace) -> np.ndarray:
    """uint8 (h, w, 3): the photo, or two of them side by side."""
    from sonic_core.dialogue.picture import side_by_side
    from sonic_core.media.image import load_image

    photos = [load_image(path) for path in args.image]
    return side_by_side(*photos) if args.layout == "side" else photos[0]


def read_voices(args: argparse.Namespace) -> list[Audio]:
    """A sound for each speaker, in the order of their faces."""
    from sonic_core.media.audio import load_audio
    from sonic_core.media.voices import by_channel, by_turns, read_turns

    if args.voice:
        return [load_audio(path) for path in args.voice]
    audio = load_audio(args.audio)
    return by_channel(audio) if args.channels else list(by_turns(audio, read_turns(args.turns)).values())
