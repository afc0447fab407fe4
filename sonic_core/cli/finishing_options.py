"""Finishing and signing as command-line options, the same for every command that writes a video.

Options are checked when they are read, before an hour of work goes into what they finish. Frame rates are not here:
an engine makes the rate it is asked for, and only a video that is there already has to be interpolated.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from sonic_core.cli.options import add_field
from sonic_core.errors import SettingsError
from sonic_core.finishing import LABELS, Finishing, parse_background

if TYPE_CHECKING:
    from sonic_core.clip import Clip
    from sonic_core.disclosure.c2pa import Credentials


@dataclass(frozen=True)
class FinishingPlan:
    """What is to be done to a clip before it is written, and to the file after."""

    finishing: Finishing
    credentials: Credentials | None

    @property
    def record(self) -> bool:
        return self.finishing.record


def add_finishing_options(parser: argparse.ArgumentParser) -> None:
    """Add --smooth, --canvas, --label, --sign and what belongs to them."""
    group = parser.add_argument_group("finishing")
    for setting in fields(Finishing):
        if setting.name not in ("label", "label_text", "record"):
            add_field(group, setting)
    group.add_argument(
        "--label", metavar="TEXT", help=f"write it into the picture: {', '.join(LABELS)}, or the text itself"
    )
    text = "add no AIGC record: for a video that AI did not make, or where you need not say so"
    group.add_argument("--no-record", dest="record", action="store_false", default=None, help=text)
    add_signing_options(group)


def add_signing_options(parser: argparse._ActionsContainer) -> None:
    """Add --sign, --certificate and --key."""
    parser.add_argument("--sign", action="store_true", help="sign with C2PA, self-made unless a certificate is given")
    parser.add_argument("--certificate", type=Path, help="PEM chain to sign with")
    parser.add_argument("--key", type=Path, help="PEM private key of the certificate")


def finishing_from(args: argparse.Namespace) -> FinishingPlan:
    """What parsed options ask for. Raises SonicError subclasses for options and files that cannot be used."""
    given = {setting.name: getattr(args, setting.name, None) for setting in fields(Finishing)}
    if args.label is not None and args.label not in LABELS:
        given |= {"label": None, "label_text": args.label}
    wanted = Finishing(**{name: value for name, value in given.items() if value is not None})
    check_words(wanted)
    check_picture(wanted)
    return FinishingPlan(wanted, credentials_from(args))


def check_words(wanted: Finishing) -> None:
    """Raise SettingsError for a label that the font cannot write."""
    if wanted.words is not None:
        from sonic_core.disclosure.label import VisibleLabel, check_glyphs

        check_glyphs(VisibleLabel(wanted.words))


def check_picture(wanted: Finishing) -> None:
    """Raise InputError for a picture behind the person that cannot be read."""
    if wanted.background is not None and isinstance(picture := parse_background(wanted.background), Path):
        from sonic_core.media.probe import probe

        probe(picture, "image", f"background {str(picture)!r}")


def credentials_from(args: argparse.Namespace) -> Credentials | None:
    """The credentials to sign with, None when that was not asked for. Raises SonicError subclasses."""
    if (args.certificate is None) != (args.key is None):
        raise SettingsError("a certificate and its key go together; give --certificate and --key, or neither")
    if args.certificate is None and not args.sign:
        return None
    from sonic_core.disclosure.c2pa import load_credentials, self_made_credentials

    return self_made_credentials() if args.certificate is None else load_credentials(args.certificate, args.key)


def finished(clip: Clip, wanted: FinishingPlan, interpolate: Callable[[Clip], Clip] | None = None) -> Clip:
    """The clip after the stages that were asked for; see `finish.chain`."""
    from sonic_core.finish import chain

    return chain.finished(clip, wanted.finishing, interpolate=interpolate or chain.unchanged)


def signed(path: Path, wanted: FinishingPlan, parent: Path | None = None) -> None:
    """Sign the finished file, when that was asked for; the last thing done to it. `parent`: what it was made from."""
    if wanted.credentials is not None:
        from sonic_core.disclosure.c2pa import sign

        sign(path, path, wanted.credentials, parent=parent)
