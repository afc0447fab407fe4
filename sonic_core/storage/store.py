"""The one narrow interface to object storage: put, get, head, delete, sign, list, and abort uploads.

Three stores implement it, a folder on disk (`folder.py`), OSS (`oss.py`) and S3 (`s3.py`), with the same meaning: an
upload does not overwrite unless told to, appears whole or not at all, and carries a CRC64; a download goes to a
temporary name and is verified before it is renamed. Knows no buckets, no credentials, no jobs.
"""

import errno
import mimetypes
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from sonic_core.errors import InputError, SonicError
from sonic_core.progress import OnStep
from sonic_core.storage.crc64 import crc64


class StorageError(SonicError):
    """The store failed; trying again later may help."""


class ObjectNotFound(StorageError):
    """There is no such object."""

    def __init__(self, key: str):
        super().__init__(f"There is no object {key}.")


class ObjectExists(StorageError):
    """An object of that key exists and must not be overwritten."""

    def __init__(self, key: str):
        super().__init__(f"The object {key} exists already; nothing was overwritten.")


class StorageFull(StorageError):
    """There is no room for the object."""


class ChecksumError(StorageError):
    """The bytes that arrived are not those that were sent, or this cannot be verified."""


class ChecksumMissing(ChecksumError):
    """The store gives no checksum, so nothing can be verified; a retry would not help."""


@dataclass(frozen=True)
class ObjectInfo:
    """A store's metadata of an object. `crc64` is None only where a listing lacks it."""

    key: str
    size: int  # bytes
    etag: str
    crc64: int | None
    content_type: str
    modified: float  # seconds since 1970


@dataclass(frozen=True)
class UploadLink:
    """How to send one object straight to the store: a PUT with `headers`, or a POST with `fields` before the file."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)


class PartUploads(Protocol):
    """Resumable uploads whose parts a client sends straight to the store.

    All parts but the last have the same size, 5 MiB or more. `Store.abort_uploads` ends those that nobody completes.
    Every method raises ObjectNotFound where the upload is not open.
    """

    def begin(self, key: str, content_type: str) -> str:
        """Opens an upload and returns the store's id of it."""

    def sign(self, key: str, upload: str, number: int, *, size: int, seconds: int) -> UploadLink:
        """A link to send part `number` (from 1) of exactly this size; a part sent again replaces the first."""

    def arrived(self, key: str, upload: str) -> dict[int, int]:
        """The parts that have arrived: number to size in bytes."""

    def complete(self, key: str, upload: str) -> ObjectInfo:
        """Joins the parts that have arrived, in order; raises ObjectExists where the object exists."""


class Store(Protocol):
    """What every store can do. Raises StorageError, and InputError for a refused key."""

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
        """Uploads a file or bytes; raises ObjectExists unless `overwrite`.

        `cache` is the Cache-Control with which a bucket and its CDN give the object out. A folder's objects are given
        out by the service, which lets nobody keep them.
        """

    def get(
        self, key: str, target: Path, *, max_bytes: int, crc64: int | None = None, on_step: OnStep | None = None
    ) -> ObjectInfo:
        """Downloads to `target`, at most `max_bytes`, verified against the store's CRC64 and the given one."""

    def head(self, key: str) -> ObjectInfo:
        """Size and checksum; raises ObjectNotFound."""

    def delete(self, key: str) -> None:
        """Deletes; no error where there is nothing."""

    def sign(self, key: str, *, seconds: int = 3600, filename: str | None = None) -> str:
        """A link to read the object for `seconds`; browsers save the file as `filename`."""

    def sign_upload(self, key: str, *, size: int, content_type: str, seconds: int) -> UploadLink:
        """A link to upload one object of exactly this size and type; the signature covers both."""

    def in_parts(self) -> PartUploads:
        """Uploads in parts to this store."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Objects whose key begins with `prefix`, in key order."""

    def abort_uploads(self, prefix: str) -> None:
        """Deletes unfinished uploads, running or broken off, of keys that begin with `prefix`."""


def check_absent(store: Store, key: str) -> None:
    """Raises ObjectExists where there is an object of that key."""
    try:
        store.head(key)
    except ObjectNotFound:
        return
    raise ObjectExists(key)


def guess_content_type(key: str) -> str:
    return mimetypes.guess_type(key)[0] or "application/octet-stream"


def write_verified(
    target: Path,
    info: ObjectInfo,
    blocks: Iterable[bytes],
    max_bytes: int,
    expected: int | None,
    on_step: OnStep | None,
    trusted: bool = False,
) -> None:
    """Writes blocks to a temporary file beside `target`, checks size and CRC64, then renames.

    The cap is checked before (the size the store names) and during (the bytes that come). `trusted`: the caller
    verifies an object without a CRC64 in another way.
    """
    if info.size > max_bytes:
        raise InputError(f"The object {info.key} has {info.size} bytes; at most {max_bytes} are accepted.")
    if info.crc64 is None and not trusted:
        raise ChecksumMissing(f"The store names no CRC64 for {info.key}, so the download cannot be verified.")
    with temporary_file(target, 0o666) as (file, path):
        done = crc = 0
        for block in blocks:
            done += len(block)
            if done > min(max_bytes, info.size):
                raise InputError(f"The object {info.key} goes on after the {info.size} bytes it was said to have.")
            crc = crc64(block, crc)
            file.write(block)
            if on_step:
                on_step(done, info.size)
        file.close()
        if done != info.size or (info.crc64 is not None and crc != info.crc64):
            raise ChecksumError(f"The download of {info.key} is damaged ({done} of {info.size} bytes, CRC64 {crc}).")
        if expected is not None and crc != expected:
            raise ChecksumError(f"The object {info.key} is not the one that was recorded: its CRC64 is {crc}.")
        os.replace(path, target)


def explain_os_error(error: OSError, what: str) -> StorageError:
    """Our error, with one sentence, for an error of the file system."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull(f"There is no room left for {what}; free some space or delete old videos, then try again.")
    return StorageError(f"The folder store cannot work on {what}: {error.strerror or type(error).__name__}.")


def written_again(write: Callable[[], None]) -> None:
    """Write into a folder that another thread may remove, empty as it is, before the file is in it: at most 3 times."""
    for tries_left in (2, 1, 0):
        try:
            return write()
        except FileNotFoundError:
            if not tries_left:
                raise


@contextmanager
def temporary_file(target: Path, mode: int = 0o600) -> Iterator[tuple[BinaryIO, Path]]:
    """An open temporary file beside `target`; removed at the end unless the caller renamed it.

    `mode`, less the user's umask: files in a store are readable by their owner only, downloads are like other files.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(f".part-{secrets.token_hex(8)}")
    try:
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file, path
    finally:
        path.unlink(missing_ok=True)
