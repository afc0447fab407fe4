"""The command `models`: what model files are there and missing, download them, check them, convert them.

python -m sonic_core models [--folder F] [--svd P] [--json]
python -m sonic_core models download [--folder F] [--source modelscope]
python -m sonic_core models verify [--folder F] [--svd P]
python -m sonic_core models convert [--folder F] [--half]
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sonic_core.weights.catalog import Status

DEFAULT_FOLDER = "models/sonic"


def add_parser(subparsers: Any) -> None:
    """Add `models` to the command line."""
    parser = subparsers.add_parser("models", help="list, download and convert the files of the Sonic model")
    _add_folder(parser, default=os.environ.get("SONIC_MODELS", DEFAULT_FOLDER))
    parser.add_argument("--json", action="store_true", help="print the list as one line of JSON")
    parser.set_defaults(run=run)
    actions = parser.add_subparsers(metavar="ACTION")
    download = actions.add_parser("download", help="fetch what is missing; goes on where it broke off")
    _add_folder(download, default=argparse.SUPPRESS)
    download.add_argument(
        "--source",
        choices=["huggingface", "modelscope"],
        default="huggingface",
        help="modelscope: what it has a copy of comes from there, the rest from Hugging Face",
    )
    download.set_defaults(run=run_download)
    verify = actions.add_parser("verify", help="read every file to its end and check its values")
    _add_folder(verify, default=argparse.SUPPRESS)
    verify.set_defaults(run=run_verify)
    convert = actions.add_parser("convert", help="write .safetensors twins of .pth and .pkl files")
    _add_folder(convert, default=argparse.SUPPRESS)
    convert.add_argument("--half", action="store_true", help="in float16: half the size, for GPUs")
    convert.set_defaults(run=run_convert)


def _add_folder(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--folder", type=Path, default=default, help=f"model folder (default {DEFAULT_FOLDER})")
    parser.add_argument(
        "--svd",
        type=Path,
        default=None if default is not argparse.SUPPRESS else argparse.SUPPRESS,
        help="a diffusers SVD-XT folder or an svd_xt*.safetensors file, when it lies elsewhere",
    )


def run(args: argparse.Namespace) -> int:
    """List the files; the exit code is 2 when a needed one is missing."""
    from sonic_core.weights.catalog import missing_of, model_status, readable_size

    statuses = model_status(args.folder, args.svd)
    if args.json:
        sys.stdout.write(json.dumps([_row(status) for status in statuses]) + "\n")
    else:
        for status in statuses:
            mark = "ok     " if status.found else "absent " if status.file.optional else "MISSING"
            place = status.found or args.folder / status.file.path
            sys.stdout.write(
                f"{mark}  {readable_size(status.size):>8}  {status.file.what:<22}  {status.file.licence:<31}  {place}\n"
            )
        if missing_of(statuses):
            sys.stdout.write(f"to fetch what is missing: python -m sonic_core models download --folder {args.folder}\n")
    return 2 if any(not status.file.optional for status in missing_of(statuses)) else 0


def run_download(args: argparse.Namespace) -> int:
    """Fetch every missing file. HF_TOKEN opens files behind a licence, HF_ENDPOINT names a mirror."""
    from sonic_core.weights.catalog import missing_of, model_status, readable_size
    from sonic_core.weights.download import download

    for status in missing_of(model_status(args.folder, args.svd)):
        file = status.file
        sys.stderr.write(f"{args.folder / file.path} ({readable_size(file.size)}, {file.licence})\n")
        checked = download(file, args.folder, args.source)
        sys.stderr.write("whole, sha256 checked\n" if checked else "whole; the server stated no sha256\n")
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """Check every file that is there; the exit code is 2 when one is damaged or a needed one is missing."""
    from sonic_core.weights.catalog import model_status
    from sonic_core.weights.verify import verify

    statuses = model_status(args.folder, args.svd)
    good = True
    for status in statuses:
        fault = None if status.found is None else verify(status, args.folder)
        if status.found is None:
            mark, good = ("absent ", good) if status.file.optional else ("MISSING", False)
        else:
            mark, good = ("ok     ", good) if fault is None else ("DAMAGED", False)
        place = status.found or args.folder / status.file.path
        sys.stdout.write(f"{mark}  {place}{'' if fault is None else f': {fault}'}\n")
    return 0 if good else 2


def run_convert(args: argparse.Namespace) -> int:
    """Write the twins that are not there yet."""
    import torch

    from sonic_core.weights.convert import convert, convertible

    for path in convertible(args.folder):
        sys.stdout.write(f"{convert(path, torch.float16 if args.half else None)}\n")
    return 0


def _row(status: "Status") -> dict[str, Any]:
    file = status.file
    found = str(status.found) if status.found is not None else None
    return {
        "file": file.path,
        "what": file.what,
        "found": found,
        "bytes": status.size,
        "licence": file.licence,
        "needed": not file.optional,
    }
