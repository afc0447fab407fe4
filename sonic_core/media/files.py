"""Finds inputs and writes outputs: a file appears whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sonic_core.errors import InputError, OutputError

LONGEST_SUFFIX = 16  # of a temporary file, whose name is short so that names of 255 bytes can be written


def existing_file(path: str | os.PathLike[str], what: str) -> Path:
    """The path of a readable, non-empty file. `what` names it in the error ("image", "audio", "video").

    Raises InputError.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
        if not file.is_file():
            raise InputError(f"{what} {str(file)!r} is not a file; give the path of one")
        with open(file, "rb"):
            pass
    except FileNotFoundError:
        raise InputError(f"{what} {str(file)!r} does not exist; check the path") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{what} {str(file)[:200]!r} cannot be opened ({reason}); check the path") from error
    if size == 0:
        raise InputError(f"{what} {file.name!r} is empty; export or download it again")
    return file


def check_output(path: str | os.PathLike[str]) -> None:
    """Raise OutputError, before the work, for an output that cannot be written.

    It writes a file beside it and removes it, since permissions alone do not tell.
    """
    with _beside(Path(path)) as temporary, _said(path):
        temporary.write_bytes(b"\0")


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path` that becomes `path` when the block ends well and vanishes when it does not.

    Keeps a short suffix, which decides the format. A link is followed. Raises OutputError when nothing can be written.
    """
    with _beside(Path(path)) as temporary, _said(path):
        yield temporary
        os.replace(temporary, os.path.realpath(path))


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """An empty file in the folder of `path`, removed at the end if it is still there."""
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise OutputError(f"output {str(path)!r} is a folder; give a file name")
        if not target.parent.is_dir():
            raise OutputError(f"the folder of output {str(path)!r} does not exist; make it first")
        if target.exists() and not target.is_file():
            raise OutputError(f"output {str(path)!r} is a device and not a file; give a file name")
        suffix = target.suffix if len(target.suffix.encode(errors="replace")) <= LONGEST_SUFFIX else ""
        temporary = target.with_name(f".sonic-{secrets.token_hex(8)}{suffix}")
        temporary.touch(exist_ok=False)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot write {str(path)[:200]!r}: {reason}; choose another place") from error
    try:
        yield temporary
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


@contextmanager
def _said(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns what the system refuses while writing into one sentence."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {str(path)!r}: {error.strerror or error}; free space or choose another folder"
        ) from error
