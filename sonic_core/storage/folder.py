"""A folder on disk as an object store: the default, so that everything runs without an account.

It behaves as OSS does: atomic and exclusive puts, CRC64, signed links that expire. Objects lie at
`<root>/objects/<key>`, their metadata at `<root>/meta/<key>.json`, unfinished uploads in
`<root>/parts`. Links are served by our HTTP service, which asks `verify_link`; with no service they are plain
file URLs. Knows no users and no jobs.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlencode

from sonic_core.progress import OnStep
from sonic_core.storage.crc64 import crc64, crc64_of_file
from sonic_core.storage.folder_parts import ARRIVED, FolderParts
from sonic_core.storage.folder_root import FolderRoot
from sonic_core.storage.keys import check_key
from sonic_core.storage.scratch import hold, is_held
from sonic_core.storage.store import (
    ObjectExists,
    ObjectInfo,
    ObjectNotFound,
    StorageError,
    UploadLink,
    explain_os_error,
    guess_content_type,
    temporary_file,
    write_verified,
    written_again,
)

_BLOCK = 1 << 20
_ABANDONED_SECONDS = 3 * 24 * 3600  # an older part belongs to an upload that was killed; OSS has the same rule
_STARTING_SECONDS = 60.0  # from creating a part to locking it; after this, a part that nobody locks is deleted


class FolderStore(FolderRoot):
    """A Store below `root`."""

    def put(
        self,
        key: str,
        source: Path | bytes,
        *,
        content_type: str | None = None,
        disposition: str | None = None,
        cache: str | None = None,
        overwrite: bool = False,
        on_step: OnStep | None = None,
    ) -> ObjectInfo:
        try:
            self.clear_abandoned()
            written_again(lambda: self._put(key, source, content_type, disposition, overwrite, on_step))
        except OSError as error:
            raise explain_os_error(error, f"the object {key}") from None
        finally:
            self._remove_empty_folders(self.parts_of(key))
        return self.head(key)

    def _put(
        self,
        key: str,
        source: Path | bytes,
        content_type: str | None,
        disposition: str | None,
        overwrite: bool,
        on_step: OnStep | None,
    ) -> None:
        target = self.path_of(key)
        if target.exists() and not overwrite:
            raise ObjectExists(key)
        total = len(source) if isinstance(source, bytes) else source.stat().st_size
        crc = done = 0
        md5 = hashlib.md5(usedforsecurity=False)
        with temporary_file(self.parts_of(key) / target.name) as (file, path):
            hold(file.fileno())
            for block in _blocks_of(source):
                file.write(block)
                crc, done = crc64(block, crc), done + len(block)
                md5.update(block)
                if on_step:
                    on_step(done, total)
            file.flush()
            target.parent.mkdir(parents=True, exist_ok=True)
            if overwrite:
                os.replace(path, target)
            else:
                try:
                    os.link(path, target)  # fails where the name exists: exclusive and atomic
                except FileExistsError:
                    raise ObjectExists(key) from None
        meta = {
            "crc64": crc,
            "etag": md5.hexdigest().upper(),
            "content_type": content_type or guess_content_type(key),
            "disposition": disposition,
        }
        with temporary_file(self._meta_path(key)) as (file, path):
            file.write(json.dumps(meta).encode())
            file.close()
            os.replace(path, self._meta_path(key))

    def get(
        self, key: str, target: Path, *, max_bytes: int, crc64: int | None = None, on_step: OnStep | None = None
    ) -> ObjectInfo:
        info = self.head(key)
        try:
            write_verified(target, info, _blocks_of(self.path_of(key)), max_bytes, crc64, on_step)
        except OSError as error:
            raise explain_os_error(error, f"a copy of the object {key}") from None
        return info

    def head(self, key: str) -> ObjectInfo:
        path = self.path_of(key)
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise ObjectNotFound(key) from None
        except OSError as error:
            raise explain_os_error(error, f"the object {key}") from None
        if not path.is_file():
            raise ObjectNotFound(key)
        meta = self.meta(key)
        return ObjectInfo(key, status.st_size, meta["etag"], meta["crc64"], meta["content_type"], status.st_mtime)

    def meta(self, key: str) -> dict:
        """Checksum, content type and disposition. Recomputed if a crash separated the object from its record."""
        try:
            return json.loads(self._meta_path(key).read_text())
        except FileNotFoundError:
            path = self.path_of(key)
            return {
                "crc64": crc64_of_file(path),
                "etag": "",
                "content_type": guess_content_type(key),
                "disposition": None,
            }

    def delete(self, key: str) -> None:
        try:
            for path in (self.path_of(key), self._meta_path(key)):
                path.unlink(missing_ok=True)
                self._remove_empty_folders(path.parent)
        except (NotADirectoryError, IsADirectoryError):
            return  # no object lies there
        except OSError as error:
            raise explain_os_error(error, f"the object {key}") from None

    def abort_uploads(self, prefix: str) -> None:
        for part in self._all_parts():
            if part.relative_to(self.parts).as_posix().startswith(prefix):
                part.unlink(missing_ok=True)
                self._remove_empty_folders(part.parent)

    def sign(self, key: str, *, seconds: int = 3600, filename: str | None = None) -> str:
        path = self.path_of(key)
        if self.base_url is None:
            return path.as_uri()
        expires = int(self.clock()) + seconds
        query = {
            "expires": str(expires),
            "filename": filename or "",
            "signature": self.signature(key, expires, filename),
        }
        return f"{self.base_url}/files/{quote(key)}?{urlencode(query)}"

    def sign_upload(self, key: str, *, size: int, content_type: str, seconds: int) -> UploadLink:
        expires, signature = self.sign_use(key, seconds, f"{size} {content_type}", "upload")
        query = {"expires": str(expires), "size": str(size), "type": content_type, "signature": signature}
        url = f"{self.base_url}/uploads/{quote(key)}?{urlencode(query)}"
        return UploadLink("PUT", url, headers={"Content-Type": content_type})

    def verify_upload(self, key: str, expires: int, size: int, content_type: str, signature: str) -> None:
        """Raises InputError unless the link for an upload is ours and still holds."""
        self.verify_use(key, expires, f"{size} {content_type}", "upload", signature)

    def in_parts(self) -> FolderParts:
        return FolderParts(self, self)

    def verify_link(self, key: str, expires: int, filename: str, signature: str) -> Path:
        """The object's path when the link is ours and still holds; raises InputError otherwise."""
        self.verify_use(key, expires, filename or None, "link", signature)
        path = self.path_of(key)
        if not path.is_file():
            raise ObjectNotFound(key)
        return path

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        objects = self.root / "objects"
        folder = self.confined(objects, prefix.rpartition("/")[0])
        found = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
        keys = (path.relative_to(objects).as_posix() for path in found)
        for key in sorted(k for k in keys if k.startswith(prefix)):
            try:
                yield self.head(key)
            except (ObjectNotFound, FileNotFoundError):
                continue  # deleted while we were listing

    def _all_parts(self) -> Iterator[Path]:
        for place, _, names in os.walk(self.parts):
            yield from (Path(place, name) for name in names if name.startswith((".part-", ARRIVED)))

    def clear_abandoned(self) -> None:
        """Deletes the unfinished uploads of killed processes."""
        for part in self._all_parts():
            with suppress(OSError):  # its upload ended, or another process cleared it
                age = self.clock() - part.stat().st_mtime
                waits = part.name.startswith(ARRIVED)  # for the other parts of its upload; nobody holds it
                if age > _ABANDONED_SECONDS or (age > _STARTING_SECONDS and not waits and not is_held(part)):
                    part.unlink()
                    self._remove_empty_folders(part.parent)

    def _remove_empty_folders(self, folder: Path) -> None:
        """Removes a folder, and its parents while they are empty, up to the store's own folders."""
        while folder.parent != self.root and self.root in folder.parents:
            try:
                folder.rmdir()
            except OSError:
                return  # not empty, or gone
            folder = folder.parent

    def _meta_path(self, key: str) -> Path:
        return self.confined(self.root / "meta", check_key(key) + ".json")


def _blocks_of(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        for start in range(0, len(source), _BLOCK):
            yield source[start : start + _BLOCK]
        return
    try:
        with open(source, "rb") as file:
            while block := file.read(_BLOCK):
                yield block
    except OSError as error:
        raise StorageError(f"The file {source} cannot be read: {error.strerror}.") from error
