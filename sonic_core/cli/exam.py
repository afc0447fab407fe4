"""The command `exam`: what share of the sounds of a talking video its lips get right."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sonic_core.quality.exam import Exam

MEANINGS = {
    "closed": "m p b: the lips meet",
    "teeth": "f v: lip at the teeth",
    "open": "open vowels: the lips part",
    "round": "w u o sh: narrow",
    "spread": "i e s: wide",
    "rest": "silence: shut (not scored)",
}


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    text = "mark what the lips of a talking video do for each sound (English; needs the extra exam)"
    parser = subparsers.add_parser("exam", help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument("video", type=Path)
    parser.add_argument("--text", required=True, help="the words that are spoken")
    parser.add_argument("--audio", type=Path, help="the sound, if not the video's own")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw lip opening against the phones")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run_exam)


def run_exam(args: argparse.Namespace) -> int:
    from sonic_core.face.tracker import SIDE
    from sonic_core.media.audio import load_audio
    from sonic_core.media.image import check_picture
    from sonic_core.media.video import open_video
    from sonic_core.quality.exam import examine

    if args.plot:
        check_picture(args.plot)
    audio = load_audio(args.audio) if args.audio else None
    found, track, phones = examine(open_video(args.video, short_side=SIDE), args.text, audio)
    if args.plot:
        from sonic_core.quality.exam_plot import plot_exam

        plot_exam(args.plot, track, phones, args.video.name)
    sys.stdout.write(json.dumps(asdict(found), indent=2) + "\n" if args.json else table(found))
    return 0


def table(exam: Exam) -> str:
    """The marks, one a line."""
    lines = []
    for kind, meaning in MEANINGS.items():
        share = getattr(exam, kind)
        lines.append(f"{kind:8}{'-' if share is None else f'{share:.3f}':>7}  of {exam.counts[kind]:3}  {meaning}")
    lines.append(f"{'score':8}{'-' if exam.score is None else f'{exam.score:.3f}':>7}")
    lag = "-" if exam.lag_frames is None else f"{exam.lag_frames:+.2f}"
    lines.append(f"{'lag':8}{lag:>7}  frames of 40 ms that m p b close late (real speakers: -1.1)")
    lines.append(f"{'tracked':8}{exam.tracked:>7.3f}  share of frames with a face")
    return "\n".join(lines) + "\n"
