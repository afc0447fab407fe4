"""Reading a model file to its end: is it the published one, and do its values look like those of a trained model?

Three checks, each where it is possible: the sha256 that the catalog knows or that the download recorded, the checksum
of every part of a `.pth` (a zip archive), and the values of all tensors.
"""

import zipfile
import zlib
from pathlib import Path

from sonic_core.errors import ModelError
from sonic_core.weights.catalog import Status
from sonic_core.weights.download import recorded_checksums
from sonic_core.weights.https_file import file_sha256
from sonic_core.weights.json_file import read_json
from sonic_core.weights.parts import find_weights
from sonic_core.weights.read import check_values, read_tensors


def verify(status: Status, folder: Path) -> str | None:
    """What is wrong with a file that is there, in words; None when nothing is.

    Args:
        status: the file, found.
        folder: the model folder, where `checksums.json` lies.
    """
    path = status.found
    assert path is not None
    try:
        known = status.file.sha256 or recorded_checksums(folder).get(status.file.path)
        if known is not None and path == folder / status.file.path and file_sha256(path) != known:
            return f"its sha256 is not {known}; delete it and download it again"
        if path.suffix == ".json":
            read_json(path)
            return None
        if path.is_dir():
            return None
        for part in _parts(path):
            check_archive(part)
            check_values(read_tensors(part), part.name)
    except ModelError as error:
        return str(error)
    except (OSError, ValueError) as error:
        return f"it cannot be read ({error}); download it again"
    return None


def check_archive(path: Path) -> None:
    """Read a zip archive to its end and compare the checksums of its parts.

    Raises:
        ModelError: one does not agree.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ModelError(f"{path.name} is damaged ({error}); download it again") from error
    if broken is not None:
        raise ModelError(f"{path.name} is damaged in its part {broken!r}; download it again")


def _parts(path: Path) -> list[Path]:
    """The file, or all shards when it is one of them."""
    shards = find_weights(path.parent)
    return shards if path in shards else [path]
