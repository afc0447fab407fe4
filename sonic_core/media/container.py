"""Opening media files with whichever PyAV is installed."""

from __future__ import annotations

import os
from typing import Any

import av

# Titles in another encoding than UTF-8 must not make a file unreadable. PyAV 19 bears them and took the switch away.
BEARING = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}


def open_media(path: str | os.PathLike[str], options: dict[str, str] | None = None) -> Any:
    """An open container to read from. Raises av.FFmpegError."""
    return av.open(os.fspath(path), options=options or {}, **BEARING)  # type: ignore[call-overload]
