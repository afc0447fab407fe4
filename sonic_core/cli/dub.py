"""The command `dub`: a video speaks with another voice."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonic_core.cli.finishing_options import add_finishing_options, finishing_from, signed
from sonic_core.cli.generate import Bar
from sonic_core.cli.options import add_settings_options, settings_from
from sonic_core.cli.output_options import add_output_options, output_from
from sonic_core.dubbing import LONGER, SHORTER, WHO, DubOptions
from sonic_core.errors import SettingsError

if TYPE_CHECKING:
    from sonic_core.cli.output_options import Output
    from sonic_core.clip import Audio, Clip
    from sonic_core.dub.dub import Dub
    from sonic_core.dub.people import Cast
    from sonic_core.engines.base import Engine
    from sonic_core.media.subtitles import Cue
    from sonic_core.media.voices import Turn

SETTINGS = ("inference_steps", "dynamic_scale", "audio_guidance", "lip_sync_offset", "channel", "seed")
QUIETEST = -60.0  # dB


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("dub", help="give a video another voice")
    parser.add_argument("--video", required=True, type=Path, help="the video: MP4, MOV, MKV, WebM")
    parser.add_argument("--audio", type=Path, help="the new speech of one person, or of all with --turns")
    parser.add_argument("--output", type=Path, help="the video to write, .mp4")
    parser.add_argument("--person", type=int, metavar="N", help="who speaks --audio; left out: who fills most of it")
    parser.add_argument(
        "--voice", action="append", default=[], metavar="N=FILE", help="a speech for person N; again for others"
    )
    parser.add_argument("--turns", type=Path, help="RTTM file that says who speaks when in --audio")
    text = "which speaker of --turns person N is; left out: in the order in which they first speak"
    parser.add_argument("--speaker", action="append", default=[], metavar="N=NAME", help=text)
    text = "auto: find out who speaks when by comparing lips with the video's own sound; with --turns, who is who"
    parser.add_argument("--who", choices=WHO, default=DubOptions.who, help=text)
    text = "what fills the video when the speech is longer (pingpong: the last seconds back and forth)"
    parser.add_argument("--longer", choices=LONGER, default=DubOptions.longer, help=text)
    text = "what becomes of the video when the speech is shorter (rest: it goes on with the lips shut)"
    parser.add_argument("--shorter", choices=SHORTER, default=DubOptions.shorter, help=text)
    parser.add_argument("--keep-audio", metavar="LEVEL", help="keep the video's own sound under the speech, like -20dB")
    parser.add_argument("--preview", type=Path, help="write a picture of everybody with their numbers")
    parser.add_argument("--json", action="store_true", help="print a report as the last line of standard output")
    add_settings_options(parser, SETTINGS)
    add_finishing_options(parser)
    add_output_options(parser)
    # Or argparse takes the -20dB of --keep-audio for an option.
    parser._negative_number_matcher = re.compile(r"-\d")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    settings, wanted = settings_from(args), finishing_from(args)
    check_what_to_do(args)
    own_sound = level(args.keep_audio) if args.keep_audio else DubOptions.own_sound
    person = DubOptions.person if args.person is None else args.person
    options = DubOptions(person, args.who, args.longer, args.shorter, own_sound)
    output = output_from(args) if args.output is not None else None
    from sonic_core.dub.dub import dub, look_at
    from sonic_core.dub.preview import numbered
    from sonic_core.finish.chain import finished
    from sonic_core.media.image import check_picture
    from sonic_core.media.video import open_video, save_video
    from sonic_core.media.voices import read_turns
    from sonic_core.pipeline import SonicPipeline

    if args.preview is not None:
        check_picture(args.preview)
    clip = open_video(args.video, with_audio=options.needs_own_sound)
    turns = read_turns(args.turns) if args.turns is not None else []
    sounds = read_voices(args, settings.channel, turns) if output is not None else None
    pipe = SonicPipeline.from_pretrained("lite", device="cpu")
    with Bar("looking") as bar:
        cast = look_at(clip, pipe.detector, bar.update)
    if args.preview is not None:
        numbered(cast, args.preview)
    if args.who == "auto" and isinstance(sounds, dict):
        sounds = matched(turns, sounds, clip, cast, pipe.engine)
    if sounds is None or output is None:
        count = len(cast.people)
        sys.stdout.write(f"{args.preview}: {count} {'person' if count == 1 else 'people'}\n")
        return 0
    with Bar("listening") as bar:
        made = dub(clip, sounds, pipe.engine, cast, settings, options, bar.update)
    clip = output.subtitled(finished(made.clip, wanted.finishing))
    with Bar("drawing") as bar:
        save_video(
            clip, output.path, on_frame=bar.update, encoding=output.encoding, subtitles=kept_subtitles(args, output)
        )
    signed(args.output, wanted, parent=args.video)
    report(args, made)
    return 0


def kept_subtitles(args: argparse.Namespace, output: Output) -> list[Cue]:
    """The subtitles to write as a track: those that were given, or else the video's own where the format has tracks."""
    from sonic_core.media.codecs import plan_for
    from sonic_core.media.subtitles import TRACKS, embedded_subtitles

    if args.subtitles is not None or plan_for(output.path, output.encoding).container.muxer not in TRACKS:
        return output.track
    return embedded_subtitles(args.video)


def check_what_to_do(args: argparse.Namespace) -> None:
    """Refuse options that contradict one another. Raises SettingsError."""
    if args.output is None and args.preview is None:
        raise SettingsError(
            "nothing to do: give --output for a dubbed video, or --preview for a picture of who is in it"
        )
    if args.output is not None and (args.audio is None) == (not args.voice):
        raise SettingsError("give either --audio, or --voice N=FILE for each person who speaks")
    if args.turns is not None and args.audio is None:
        raise SettingsError("--turns says who speaks when in --audio; give --audio as well")
    if args.turns is not None and args.person is not None:
        raise SettingsError("--turns gives --audio to several people; leave --person out")
    if args.who == "auto" and (args.voice or args.person is not None or args.speaker):
        raise SettingsError("--who auto finds out who speaks; leave --voice, --person and --speaker out")
    if args.speaker and args.turns is None:
        raise SettingsError("--speaker names the speakers of --turns; give --turns as well")


def read_voices(args: argparse.Namespace, channel: str, turns: Sequence[Turn]) -> Audio | dict[int, Audio]:
    """The sounds that the options name, reduced to the channel that speaks: one, or one for each person by number.

    `turns` are those of --turns, none without it.
    """
    from sonic_core.media.audio import load_voice
    from sonic_core.media.voices import by_turns, speakers

    if args.voice:
        named = numbered_values(args.voice, "--voice").items()
        return {number: load_voice(name, channel) for number, name in named}
    audio = load_voice(args.audio, channel)
    if not turns:
        return audio
    names = numbered_values(args.speaker, "--speaker") or dict(enumerate(speakers(turns)))
    parts = by_turns(audio, turns)
    for name in names.values():
        if name not in parts:
            raise SettingsError(
                f"--speaker {name!r} does not speak in {str(args.turns)!r}; there are {', '.join(parts)}"
            )
    return {number: parts[name] for number, name in names.items()}


def matched(
    turns: Sequence[Turn], sounds: dict[int, Audio], clip: Clip, cast: Cast, engine: Engine
) -> dict[int, Audio]:
    """The sounds of the turns' speakers, in the order in which they first talk, each given to the speaker's face."""
    from sonic_core.dub.dub import lip_engine, own_sound
    from sonic_core.dub.who import match_speakers
    from sonic_core.media.voices import speakers

    order = speakers(turns)
    names = match_speakers(cast, own_sound(clip), turns, lip_engine(engine), clip.fps)
    return {person: sounds[order.index(name)] for person, name in names.items()}


def numbered_values(given: list[str], option: str) -> dict[int, str]:
    """{0: "A.wav"} from ["0=A.wav"]. Raises SettingsError."""
    found: dict[int, str] = {}
    for text in given:
        number, equals, value = text.partition("=")
        if not (number.isdecimal() and equals and value) or int(number) in found:
            raise SettingsError(f"{option} is {text!r}; give a person's number and a value once each, like 0=A.wav")
        found[int(number)] = value
    return found


def level(text: str) -> float:
    """The factor of a level like -20dB. Raises SettingsError above 0 dB and for anything else."""
    match = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*(?:dB)?\s*", text, re.IGNORECASE)
    if match is None or not QUIETEST <= float(match.group(1)) <= 0:
        raise SettingsError(f"--keep-audio is {text!r}; give a level from {QUIETEST:g}dB to 0dB, like -20dB")
    return 10 ** (float(match.group(1)) / 20)


def report(args: argparse.Namespace, made: Dub) -> None:
    """Say what was written, and which stretches were left as they were."""
    parts = made.passed_through()
    if args.json:
        found = {
            "frames": made.clip.frame_count,
            "fps": float(made.clip.fps),
            "people": len(made.cast.people),
            "voiced": list(made.voiced),
            "shots": len(made.cast.shots),
            "unsure": [[round(start, 3), round(end, 3)] for start, end in made.unsure],
            "untouched": [
                {"person": part.person, "start": round(part.start, 3), "end": round(part.end, 3), "reason": part.reason}
                for part in parts
            ],
        }
        sys.stdout.write(json.dumps(found) + "\n")
        return
    sys.stdout.write(f"{args.output}: {made.clip.frame_count} frames, {made.clip.seconds:.2f} s\n")
    for start, end in made.unsure:
        sys.stdout.write(f"nobody speaks from {start:.2f} to {end:.2f} s: it cannot be told who does\n")
    for part in parts:
        sys.stdout.write(f"person {part.person} untouched from {part.start:.2f} to {part.end:.2f} s: {part.reason}\n")
