"""The command line: `python -m sonic_core COMMAND`. Each command's work is done elsewhere; this file only routes.

Exit codes: 0 done, 2 the user can mend it (one sentence on standard error), 130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import sys
from importlib import import_module

from sonic_core.errors import SonicError

# Every module has add_parser(subparsers), which sets `run` (args -> exit code) on its parsers.
COMMANDS = (
    "sonic_core.cli.generate",
    "sonic_core.cli.stream",
    "sonic_core.cli.dub",
    "sonic_core.cli.dialogue",
    "sonic_core.cli.doctor",
    "sonic_core.cli.models",
    "sonic_core.cli.finish",
    "sonic_core.cli.storage",
    "sonic_core.cli.submit",
    "sonic_core.cli.fleet",
)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sonic_core", description="Make a portrait photo speak.")
    parser.add_argument("--verbose", action="store_true", help="log what is done")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        import_module(name).add_parser(subparsers)
    return parser


def main(arguments: list[str] | None = None) -> int:
    args = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO if args.verbose else logging.WARNING, format="%(levelname)s %(message)s")
    try:
        return int(args.run(args))
    except SonicError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
