"""The one narrow interface to object storage: put, get, head, delete, sign, list, and the ends of uploads.

Three stores speak it, a folder on disk (`folder.py`), OSS (`oss.py`) and S3 (`s3.py`), with the same meaning: an
upload does not overwrite unless asked, appears whole or not at all, and carries a CRC64; a download goes to a
temporary name and is verified before it is renamed. Knows no buckets, no credentials, no jobs.
"""

import errno
import mimetypes
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from sonic_core.errors import InputError, SonicError
from sonic_core.progress import OnStep
from sonic_core.storage.crc64 import crc64


class StorageError(SonicError):
    """The store did not do what was asked; trying again later may help."""


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
    """The bytes that arrived are not the bytes that were sent, or nobody can tell."""


class ChecksumMissing(ChecksumError):
    """The store names no checksum, so nobody can tell; asking again would not help."""


@dataclass(frozen=True)
class ObjectInfo:
    """What a store says of an object. `crc64` is None only where a listing does not carry it."""

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
    """Uploads in parts that somebody else sends straight to the store, and that go on where they broke off.

    All parts but the last have the same size, 5 MiB or more. `Store.abort_uploads` ends what nobody completes. Every
    method raises ObjectNotFound where the upload is not open.
    """

    def begin(self, key: str, content_type: str) -> str:
        """Opens an upload; the name by which the store knows it."""

    def sign(self, key: str, upload: str, number: int, *, size: int, seconds: int) -> UploadLink:
        """Lets its holder send part `number` (from 1) of exactly this size, once more where it came already."""

    def arrived(self, key: str, upload: str) -> dict[int, int]:
        """The parts that have come: number to size in bytes."""

    def complete(self, key: str, upload: str) -> ObjectInfo:
        """Makes the object of the parts that have come, in order; raises ObjectExists where there is one."""


class Store(Protocol):
    """What every store does. Errors: StorageError, and InputError for a refused key."""

    def put(
        self,
        key: str,
        source: Path | bytes,
        *,
        content_type: str | None = None,
        disposition: str | None = None,
        overwrite: bool = False,
        on_step: OnStep | None = None,
    ) -> ObjectInfo:
        """Uploads a file or bytes; raises ObjectExists unless `overwrite`."""

    def get(
        self, key: str, target: Path, *, max_bytes: int, crc64: int | None = None, on_step: OnStep | None = None
    ) -> ObjectInfo:
        """Downloads to `target`, at most `max_bytes`, verified against the store's CRC64 and the given one."""

    def head(self, key: str) -> ObjectInfo:
        """Size and checksum; raises ObjectNotFound."""

    def delete(self, key: str) -> None:
        """Deletes; no error where there is nothing."""

    def sign(self, key: str, *, seconds: int = 3600, filename: str | None = None) -> str:
        """A link that lets its holder read the object for `seconds`; `filename` makes browsers save it so."""

    def sign_upload(self, key: str, *, size: int, content_type: str, seconds: int) -> UploadLink:
        """Lets its holder upload one object of exactly this size and type; the signature covers both."""

    def in_parts(self) -> PartUploads:
        """Uploads in parts to this store."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Objects whose key begins with `prefix`, in key order."""

    def abort_uploads(self, prefix: str) -> None:
        """Deletes what has come so far of uploads under way or broken off, of keys that begin with `prefix`."""


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
    verifies in another way what carries no CRC64.
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
    """A sentence of ours for what the file system said."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull(f"There is no room left for {what}; free some space or delete old videos, then try again.")
    return StorageError(f"The folder store cannot work on {what}: {error.strerror or type(error).__name__}.")


@contextmanager
def temporary_file(target: Path, mode: int = 0o600) -> Iterator[tuple[BinaryIO, Path]]:
    """An open temporary file beside `target`; removed at the end unless the caller renamed it.

    `mode`, less the user's umask: what lies in a store is its owner's, what was fetched from it is like other files.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(f".part-{secrets.token_hex(8)}")
    try:
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file, path
    finally:
        path.unlink(missing_ok=True)
