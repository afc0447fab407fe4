"""Uploads in parts to a folder store. The parts of a key lie where its other uploads do, below `<root>/parts/<key>`.

Part 0 holds the content type and marks the upload as open; without it no part is accepted. Our HTTP service receives
the parts and calls `verify` first.
"""

import os
import secrets
import shutil
from pathlib import Path
from urllib.parse import quote, urlencode

from sonic_core.storage.folder_root import FolderRoot
from sonic_core.storage.scratch import hold, scratch_folder
from sonic_core.storage.store import (
    ObjectInfo,
    ObjectNotFound,
    Store,
    UploadLink,
    explain_os_error,
    temporary_file,
    written_again,
)

ARRIVED = "arrived-"


class FolderParts:
    """The `PartUploads` of a folder."""

    def __init__(self, root: FolderRoot, store: Store):
        self._root, self._store = root, store

    def begin(self, key: str, content_type: str) -> str:
        upload = secrets.token_hex(16)
        self._write(key, self._path(key, upload, 0), content_type.encode())
        return upload

    def sign(self, key: str, upload: str, number: int, *, size: int, seconds: int) -> UploadLink:
        about = f"{upload} {number} {size}"
        expires, signature = self._root.sign_use(key, seconds, about, "part")
        query = {"expires": expires, "upload": upload, "number": number, "size": size, "signature": signature}
        return UploadLink("PUT", f"{self._root.base_url}/uploads/parts/{quote(key)}?{urlencode(query)}")

    def verify(self, key: str, upload: str, number: int, size: int, expires: int, signature: str) -> None:
        """Raises InputError unless the link for a part is ours and still holds."""
        self._root.verify_use(key, expires, f"{upload} {number} {size}", "part", signature)

    def take(self, key: str, upload: str, number: int, source: Path) -> None:
        """Keeps a part, replacing an earlier one of its number. Raises ObjectNotFound where no upload is open."""
        path = self._path(key, upload, number)
        self._check_open(key, upload)
        self._write(key, path, source)
        try:
            self._check_open(key, upload)
        except ObjectNotFound:  # it was deleted just now, and this part must not outlive it
            path.unlink(missing_ok=True)
            raise

    def arrived(self, key: str, upload: str) -> dict[int, int]:
        self._check_open(key, upload)
        found = self._path(key, upload, 0).parent.glob(f"{ARRIVED}{upload}-*")
        sizes = {int(path.name.rpartition("-")[2]): path.stat().st_size for path in found}
        return {number: sizes[number] for number in sorted(sizes) if number}

    def complete(self, key: str, upload: str) -> ObjectInfo:
        numbers = self.arrived(key, upload)
        content_type = self._path(key, upload, 0).read_text()
        with scratch_folder() as folder:
            whole = folder / "whole"
            try:
                with open(whole, "xb") as file:
                    for number in numbers:
                        with open(self._path(key, upload, number), "rb") as part:
                            shutil.copyfileobj(part, file, 1 << 20)
            except OSError as error:
                raise explain_os_error(error, f"the object {key}") from None
            info = self._store.put(key, whole, content_type=content_type)
        self._store.abort_uploads(f"{key}/{ARRIVED}{upload}-")
        return info

    def _check_open(self, key: str, upload: str) -> None:
        if not self._path(key, upload, 0).is_file():
            raise ObjectNotFound(key)

    def _path(self, key: str, upload: str, number: int) -> Path:
        return self._root.parts_of(key) / f"{ARRIVED}{upload}-{number}"

    @staticmethod
    def _write(key: str, path: Path, source: Path | bytes) -> None:
        def write() -> None:
            with temporary_file(path) as (file, temporary):
                hold(file.fileno())
                if isinstance(source, bytes):
                    file.write(source)
                else:
                    with open(source, "rb") as part:
                        shutil.copyfileobj(part, file, 1 << 20)
                file.flush()
                os.replace(temporary, path)

        try:
            written_again(write)
        except OSError as error:
            raise explain_os_error(error, f"a part of the object {key}") from None
