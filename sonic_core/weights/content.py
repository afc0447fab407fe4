"""Tells what a model file is from its first bytes: its name may be wrong, and a server may have sent something else."""

from pathlib import Path
from typing import Literal

from sonic_core.errors import ModelError

Content = Literal["safetensors", "pytorch"]

ZIP, PICKLE = b"PK\x03\x04", b"\x80"
HEADER_SIZE = 8
"""Bytes before the JSON header of a safetensors file; they hold its length."""

OTHERS = (
    (b"version https://git-lfs", "is a Git LFS pointer and not the file; run `git lfs pull` in its folder"),
    (b"<", "is a web page that a server sent instead of the file; download it again"),
    (b"{", "is a message that a server sent instead of the file; download it again"),
    (b"GGUF", "is a GGUF file, which is not read; take the file of the release"),
    (b"Rar!", "is a RAR archive; unpack it"),
    (b"7z\xbc\xaf", "is a 7-Zip archive; unpack it"),
    (b"\x1f\x8b", "is a gzip archive; unpack it"),
)


def content(path: Path) -> Content:
    """What the file holds.

    Raises:
        ModelError: it cannot be opened, or is no model file; the text says what it is instead and what helps.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(64)
    except PermissionError as error:
        raise ModelError(f"{path} may not be read by this user; change its permissions") from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check the disk or download it again") from error
    if start.startswith((ZIP, PICKLE)):
        return "pytorch"
    if start[HEADER_SIZE : HEADER_SIZE + 1] == b"{" and int.from_bytes(start[:HEADER_SIZE], "little") < size:
        return "safetensors"
    raise ModelError(f"{path} {_instead(start)}")


def _instead(start: bytes) -> str:
    if not start.strip(b"\0"):
        return "is empty or begins with zeros; download it again"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    known = next((said for magic, said in OTHERS if text.startswith(magic)), None)
    return known or "is damaged, or neither a safetensors nor a PyTorch file; download it again"
