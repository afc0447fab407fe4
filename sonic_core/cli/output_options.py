"""How the video is written, as command-line options: codec, format, hardware, size, subtitles."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sonic_core.errors import SettingsError
from sonic_core.finishing import is_transparent
from sonic_core.media.codecs import CODECS, CONTAINERS, HARDWARE, Encoding

if TYPE_CHECKING:
    from sonic_core.clip import Clip
    from sonic_core.media.codecs import Plan
    from sonic_core.media.subtitles import Cue

SUBTITLE_MODES = ("burn", "track")


@dataclass(frozen=True)
class Output:
    """Where and how the video is written. Everything in it has been checked."""

    path: Path
    encoding: Encoding
    cues: list[Cue] = field(default_factory=list)
    mode: str = "burn"
    font: Path | None = None

    def subtitled(self, clip: Clip) -> Clip:
        """The clip with the subtitles drawn in, where that was asked for."""
        if not self.cues or self.mode != "burn":
            return clip
        from sonic_core.finish.subtitles import subtitled

        return subtitled(clip, self.cues, self.font)

    @property
    def track(self) -> list[Cue]:
        """The subtitles to write as a track."""
        return self.cues if self.mode == "track" else []


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add --codec, --format, --hardware, --full-size, --crf, --subtitles and what belongs to them."""
    group = parser.add_argument_group("output")
    group.add_argument("--codec", choices=CODECS, help="how pictures are coded (h264; vp9 in WebM)")
    group.add_argument("--format", choices=tuple(CONTAINERS), help="kind of file (as the output's name ends)")
    group.add_argument(
        "--hardware", choices=HARDWARE, help="encode with the GPU (the CPU, which makes better pictures)"
    )
    group.add_argument(
        "--full-size", action="store_true", help="write pictures larger than common players take, over 4096 a side"
    )
    group.add_argument(
        "--crf", type=int, default=18, metavar="N", help="x264 quality, 0 to 51, lower is better; others alike (18)"
    )
    group.add_argument("--subtitles", type=Path, metavar="FILE", help="an .srt or .vtt file to show")
    group.add_argument(
        "--subtitles-mode", choices=SUBTITLE_MODES, default="burn", help="into the picture, or as a track (burn)"
    )
    group.add_argument("--subtitles-font", type=Path, metavar="FILE", help="font for subtitles of rare scripts")


def check_output(path: Path, encoding: Encoding | None = None, alpha: bool = False) -> Plan:
    """Refuse, before an hour of work, a video that cannot be written there; how it will be written."""
    from sonic_core.media import files
    from sonic_core.media.codecs import plan_for

    plan = plan_for(path, encoding or Encoding(), alpha)
    files.check_output(path)
    return plan


def output_from(args: argparse.Namespace) -> Output:
    """Where and how to write, checked before the work: the encoder, the folder, the subtitles and their font.

    Raises SonicError subclasses.
    """
    encoding = Encoding(args.crf, args.codec, args.format, args.hardware, args.full_size)
    plan = check_output(args.output, encoding, is_transparent(args.background))
    if args.sign or args.certificate is not None:
        from sonic_core.disclosure.c2pa import FORMATS

        if args.output.suffix.lower() not in FORMATS:
            raise SettingsError(
                f"the format {plan.container.muxer} cannot be signed; write an .mp4 or .mov, or leave --sign out"
            )
    if args.subtitles is None:
        return Output(args.output, encoding)
    from sonic_core.finish.subtitles import font_for
    from sonic_core.media.subtitles import TRACKS, read_subtitles

    cues = read_subtitles(args.subtitles)
    if args.subtitles_mode == "track" and plan.container.muxer not in TRACKS:
        raise SettingsError(f"the format {plan.container.muxer} has no subtitle tracks; take --subtitles-mode burn")
    if args.subtitles_mode == "burn":
        font_for("".join(cue.text for cue in cues), args.subtitles_font)
    return Output(args.output, encoding, cues, args.subtitles_mode, args.subtitles_font)
