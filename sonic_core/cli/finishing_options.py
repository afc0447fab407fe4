"""Finishing as command-line options, the same for every command that writes a video.

Options are checked when they are read, before an hour of work goes into what they finish. Frame rates are not here:
an engine makes the rate it is asked for, and only a video that is there already has to be interpolated.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sonic_core.clip import Clip
from sonic_core.disclosure.c2pa import Credentials, load_credentials, self_made_credentials, sign
from sonic_core.disclosure.label import (
    CORNERS,
    LABELS,
    MIN_SECONDS,
    RECORD_KEY,
    VisibleLabel,
    check_glyphs,
    label,
    shown_on,
)
from sonic_core.errors import SettingsError
from sonic_core.face.tracker import FaceTracker
from sonic_core.finish.canvas import MODES, canvas, parse_size
from sonic_core.finish.smooth import check_strength, smooth


@dataclass(frozen=True)
class Finishing:
    """What is to be done to a clip before it is written, and to the file after."""

    smooth: float
    size: tuple[int, int] | None  # of the canvas
    mode: str
    visible: VisibleLabel | None
    record: bool
    credentials: Credentials | None


def add_finishing_options(parser: argparse.ArgumentParser) -> None:
    """Add --smooth, --canvas, --label, --sign and what belongs to them."""
    group = parser.add_argument_group("finishing")
    group.add_argument("--smooth", type=float, default=0.0, metavar="0..1", help="take out jitter and flicker (0)")
    group.add_argument("--canvas", metavar="SIZE", help="9:16, 16:9, 1:1, 4:5 or like 1080x1920")
    group.add_argument("--canvas-mode", choices=MODES, default="blur", help="what fills the canvas (blur)")
    group.add_argument(
        "--label", metavar="TEXT", help=f"write it into the picture: {', '.join(LABELS)}, or the text itself"
    )
    text = f"how long the label stands from the start, {MIN_SECONDS:g} at least; 0: all the time ({MIN_SECONDS:g})"
    group.add_argument("--label-seconds", type=float, default=MIN_SECONDS, metavar="S", help=text)
    group.add_argument("--label-corner", choices=CORNERS, default="bottom-right", help="where it stands (bottom-right)")
    text = "add no AIGC record: for a video that AI did not make, or where you need not say so"
    group.add_argument("--no-record", action="store_true", help=text)
    group.add_argument("--sign", action="store_true", help="sign with C2PA, self-made unless a certificate is given")
    group.add_argument("--certificate", type=Path, help="PEM chain to sign with")
    group.add_argument("--key", type=Path, help="PEM private key of the certificate")


def finishing_from(args: argparse.Namespace) -> Finishing:
    """What parsed options ask for. Raises SonicError subclasses for options and files that cannot be used."""
    check_strength(args.smooth)
    visible = None
    if args.label:
        visible = VisibleLabel(args.label, args.label_seconds or None, corner=args.label_corner)
        check_glyphs(visible)
    credentials = None
    if (args.certificate is None) != (args.key is None):
        raise SettingsError("a certificate and its key go together; give --certificate and --key, or neither")
    if args.certificate is not None:
        credentials = load_credentials(args.certificate, args.key)
    elif args.sign:
        credentials = self_made_credentials()
    size = parse_size(args.canvas) if args.canvas else None
    return Finishing(args.smooth, size, args.canvas_mode, visible, not args.no_record, credentials)


def finished(clip: Clip, wanted: Finishing, resampled: Callable[[Clip], Clip] = lambda clip: clip) -> Clip:
    """The clip smoothed, `resampled`, framed and labelled; a record it has says more than a new one and stays."""
    clip = resampled(smooth(clip, wanted.smooth))
    if wanted.size is not None:
        face = face_box(clip) if wanted.mode == "fill" else None
        clip = canvas(clip, wanted.size, wanted.mode, face)  # type: ignore[arg-type]
    if wanted.visible is not None:
        clip = shown_on(clip, wanted.visible)
    return label(clip) if wanted.record and RECORD_KEY not in clip.metadata else clip


def without_record(clip: Clip) -> Clip:
    """The clip without an AIGC record, for --no-record."""
    return clip.replaced(metadata={key: value for key, value in clip.metadata.items() if key != RECORD_KEY})


def signed(path: Path, wanted: Finishing, parent: Path | None = None) -> None:
    """Sign the finished file, when that was asked for; the last thing done to it. `parent`: what it was made from."""
    if wanted.credentials is not None:
        sign(path, path, wanted.credentials, parent=parent)


def face_box(clip: Clip) -> tuple[float, float, float, float] | None:
    """The face in the first frame, None when there is none."""
    landmarks = FaceTracker()(next(clip.frames()))
    if landmarks is None:
        return None
    (x1, y1), (x2, y2) = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    return float(x1), float(y1), float(x2), float(y2)
