"""The commands `align`, `inspect`, `evaluate` and `finish`, for any video file."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sonic_core.cli.exam import table
from sonic_core.cli.finishing_options import add_finishing_options, finished, finishing_from, signed
from sonic_core.cli.output_options import add_output_options, check_output, output_from
from sonic_core.errors import InputError, NoFaceError
from sonic_core.finishing import INTERPOLATION_METHODS

if TYPE_CHECKING:
    from sonic_core.clip import Audio, Clip

logger = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the four commands to the command line."""
    parser = _command(subparsers, "align", run_align, "measure, and with --output mend, the offset of lips and sound")
    parser.add_argument("--output", type=Path, help="write the aligned video here")
    parser.add_argument("--wanted", type=float, default=0.0, metavar="S", help="seconds the lips shall come later (0)")
    parser.add_argument("--move", choices=("sound", "frames"), default="sound", help="what to move (sound)")
    parser.add_argument("--json", action="store_true", help="print JSON")

    _command(subparsers, "inspect", run_inspect, "show what a video carries: streams, metadata, AI label, credentials")

    parser = _command(subparsers, "evaluate", run_evaluate, "report a talking video's quality")
    parser.add_argument("--portrait", type=Path, help="the photo it was made from, for likeness")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw lip opening and speech over time")
    parser.add_argument("--text", help="the words that are spoken (English): adds the marks of the viseme exam")
    parser.add_argument("--json", action="store_true", help="print JSON")

    parser = _command(subparsers, "finish", run_finish, "smooth, resample, frame and label a video")
    parser.add_argument("--output", type=Path, required=True, help="the finished video, .mp4")
    add_finishing_options(parser)
    add_output_options(parser)
    parser.add_argument("--fps", type=float, help="frames a second (as they are)")
    parser.add_argument(
        "--interpolation", choices=INTERPOLATION_METHODS, default="auto", help="how frames between are made (auto)"
    )
    parser.add_argument("--rife", type=Path, help="flownet.pkl of the Sonic release")


def _command(subparsers: argparse._SubParsersAction, name: str, run, text: str) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument("video", type=Path)
    parser.set_defaults(run=run)
    return parser


def run_align(args: argparse.Namespace) -> int:
    from sonic_core.face.tracker import SIDE
    from sonic_core.finish.lip_align import moved_sound, shifted
    from sonic_core.media.video import open_video, save_video
    from sonic_core.quality.lip_sync import LEAST_FACES, measure

    if args.output:
        check_output(args.output)
    small = open_video(args.video, short_side=SIDE)
    found = measure(small)
    if found.faces == 0:
        raise NoFaceError(f"no face was found in {str(args.video)!r}; give a video that shows one clearly")
    late = found.offset - args.wanted
    if args.output:
        clip = open_video(args.video, with_audio=False).replaced(audio=small.audio)
        if not found.trusted:
            _with_sound(clip, args, None)
        elif args.move == "sound" and clip.audio is not None:
            _with_sound(clip, args, moved_sound(clip.audio, late))
        else:
            save_video(_without_container_keys(shifted(clip, late, "frames")), args.output)
    values = {**asdict(found), "trusted": found.trusted, "corrected": bool(args.output and found.trusted)}
    if args.json:
        _print_json(values)
    else:
        how = "late" if found.offset >= 0 else "early"
        lines = [f"offset {found.offset:+.3f} s (lips {how}), confidence {found.confidence:.2f}"]
        if not found.trusted:
            lines.append("too uncertain to correct" + (": copied as it is" if args.output else ""))
        if found.faces < LEAST_FACES:
            lines.append(f"a face is seen in {100 * found.faces:.0f} % of the frames only")
        sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _with_sound(clip: Clip, args: argparse.Namespace, audio: Audio | None) -> None:
    """The video with this sound (None: its own), its pictures copied where the output can hold them, else encoded."""
    from sonic_core.media.remux import can_copy, remux
    from sonic_core.media.video import save_video

    if can_copy(args.video, args.output):
        try:
            remux(args.video, args.output, audio)
            return
        except InputError:  # as of a stream whose pictures change their size on the way
            logger.warning("%s: its pictures cannot be copied, so they are encoded anew", args.video.name)
    save_video(_without_container_keys(clip.replaced(audio=audio or clip.audio)), args.output)


def run_inspect(args: argparse.Namespace) -> int:
    from sonic_core.disclosure.inspect import inspect

    _print_json(inspect(args.video))
    return 0


def run_evaluate(args: argparse.Namespace) -> int:
    import numpy as np

    from sonic_core.media.image import check_picture, load_image
    from sonic_core.media.video import open_video
    from sonic_core.quality.lip_sync import speech_opening
    from sonic_core.quality.report import evaluate

    if args.plot:
        check_picture(args.plot)
    heard: list[np.ndarray] = []

    def listener(speech: np.ndarray, frames: int) -> np.ndarray:
        heard.append(speech_opening(speech, frames))
        return heard[-1]

    clip = open_video(args.video)
    portrait = load_image(args.portrait) if args.portrait else None
    report, tracks = evaluate(clip, portrait, listener=listener)
    exam = None
    if args.text is not None:
        from sonic_core.quality.exam import examine

        exam = examine(clip, args.text)[0]
    if args.plot:
        from sonic_core.quality.plot import plot

        sound, rate = (np.zeros(0, np.float32), 16000) if clip.audio is None else (clip.audio.mono(), clip.audio.rate)
        expected = heard[0] if heard else np.full(1, np.nan)
        plot(args.plot, tracks.opening, float(clip.fps), expected, 25, sound, rate, title=args.video.name)
    if args.json:
        _print_json(asdict(report) | ({"exam": asdict(exam)} if exam else {}))
    else:
        width = max(map(len, asdict(report)))
        for name, value in asdict(report).items():
            sys.stdout.write(f"{name.replace('_', ' '):{width}}  {'-' if value is None else value}\n")
        if exam:
            sys.stdout.write("\n" + table(exam))
    return 0


def run_finish(args: argparse.Namespace) -> int:
    from sonic_core.media.video import open_video, save_video
    from sonic_core.video.interpolate import interpolate, load_rife

    wanted, output = finishing_from(args), output_from(args)
    network = load_rife(args.rife) if args.rife else None

    def resampled(clip: Clip) -> Clip:
        return clip if args.fps is None else interpolate(clip, args.fps, args.interpolation, network)

    clip = finished(_without_container_keys(open_video(args.video)), wanted, resampled)
    save_video(output.subtitled(clip), output.path, encoding=output.encoding, subtitles=output.track)
    signed(args.output, wanted)
    sys.stdout.write(f"{args.output}: {clip.frame_count} frames, {clip.seconds:.2f} s\n")
    return 0


def _without_container_keys(clip: Clip) -> Clip:
    from sonic_core.media.container import CONTAINER_KEYS

    return clip.replaced(metadata={k: v for k, v in clip.metadata.items() if k not in CONTAINER_KEYS})


def _print_json(values: dict) -> None:
    sys.stdout.write(json.dumps(values, ensure_ascii=False, indent=2) + "\n")
