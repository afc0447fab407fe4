"""The command line: `python -m sonic_core COMMAND`. Each command's work is done elsewhere; this file only routes.

Parsers are static: neither torch nor numpy, cv2 or PyAV is imported before a command runs, so that `--help` and
`doctor` answer at once, and also where one of those is missing or broken.

Exit codes: 0 done, 2 the user can mend it (one sentence on standard error), 130 interrupted.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from importlib import import_module

from sonic_core.errors import SonicError

# Every module has add_parser(subparsers), which adds the commands named here and sets `run` (args -> exit code).
COMMANDS = {
    "sonic_core.cli.generate": ("generate",),
    "sonic_core.cli.stream": ("stream",),
    "sonic_core.cli.live": ("live",),
    "sonic_core.cli.dub": ("dub",),
    "sonic_core.cli.dialogue": ("dialogue",),
    "sonic_core.cli.doctor": ("doctor",),
    "sonic_core.cli.models": ("models",),
    "sonic_core.cli.finish": ("align", "inspect", "evaluate", "finish"),
    "sonic_core.cli.exam": ("exam",),
    "sonic_core.cli.storage": ("storage", "jobs"),
    "sonic_core.cli.submit": ("submit",),
    "sonic_core.cli.fleet": ("worker", "serve", "batch", "ingest"),
    "sonic_core.cli.people": ("keys", "consents"),
}


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser of all commands; with the name of one, only of its module, so that quick commands start quickly."""
    parser = argparse.ArgumentParser(prog="sonic_core", description="Make a portrait photo speak.")
    parser.add_argument("--verbose", action="store_true", help="log what is done")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    only = [module for module, names in COMMANDS.items() if command in names]
    for name in only or COMMANDS:
        import_module(name).add_parser(subparsers)
    return parser


def main(arguments: list[str] | None = None) -> int:
    # Read when numpy is first imported. Its matrices are small here; threads that wait for them cost a third of a dub.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal's encoding lacks must not end a command
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    words = sys.argv[1:] if arguments is None else arguments
    args = build_parser(next((word for word in words if not word.startswith("-")), None)).parse_args(words)
    logging.basicConfig(level=logging.INFO if args.verbose else logging.WARNING, format="%(levelname)s %(message)s")
    try:
        return int(args.run(args))
    except SonicError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except ImportError as error:
        if (error.name or "").startswith("sonic_core"):
            raise
        sys.stderr.write(f"error: {' '.join(str(error).split())}; python -m sonic_core doctor says what is missing\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
