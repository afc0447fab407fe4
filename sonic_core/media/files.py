"""Finding inputs and finishing outputs: a file is there whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sonic_core.errors import InputError, OutputError


def existing_file(path: str | os.PathLike[str], what: str) -> Path:
    """The path of a readable, non-empty file. `what` names it in the error ("image", "audio", "video")."""
    file = Path(path)
    if not file.exists():
        raise InputError(f"{what} {str(file)!r} does not exist; check the path")
    if not file.is_file():
        raise InputError(f"{what} {str(file)!r} is not a file; give the path of one")
    if file.stat().st_size == 0:
        raise InputError(f"{what} {str(file)!r} is empty; export or download it again")
    return file


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path` that becomes `path` when the block ends well and vanishes when it does not.

    Keeps the suffix, which decides the container format. Raises OutputError when the folder cannot be written.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"output {str(target)!r} is a folder; give a file name")
    if not target.parent.is_dir():
        raise OutputError(f"the folder of output {str(target)!r} does not exist; make it first")
    temporary = target.with_name(f".{target.stem[:64]}.{secrets.token_hex(4)}{target.suffix}")
    try:
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise OutputError(f"cannot write {str(target)!r}: {error.strerror}; choose another folder") from error
    try:
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(
            f"cannot write {str(target)!r}: {error.strerror or error}; free space or choose another folder"
        ) from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
