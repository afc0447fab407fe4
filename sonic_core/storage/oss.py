"""Alibaba Cloud OSS as a Store, through oss2 with V4 signatures.

oss2 retries nothing and skips a missing checksum silently, so retries (tenacity), CRC64 and multipart uploads
(`multipart.py`) are ours. Errors carry status, code and request id only: an OSS error body can hold the signed
request with its token. Knows one bucket and its links; no jobs.
"""

import base64
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import oss2
import tenacity

from sonic_core.errors import SettingsError
from sonic_core.progress import OnStep
from sonic_core.storage import multipart
from sonic_core.storage.crc64 import crc64 as crc64_of
from sonic_core.storage.credentials import CredentialsProvider, make_provider
from sonic_core.storage.oss_bucket import OssBucket, object_info, retrying
from sonic_core.storage.oss_parts import OssParts
from sonic_core.storage.profiles import Profile
from sonic_core.storage.store import (
    ChecksumError,
    ChecksumMissing,
    ObjectInfo,
    UploadLink,
    check_absent,
    guess_content_type,
    write_verified,
)

MULTIPART_THRESHOLD = 16 << 20  # bytes
PART_SIZE = 8 << 20
_BLOCK = 256 << 10


def open_oss_store(profile: Profile) -> "OssStore":
    return OssStore(profile, make_provider(profile.credentials))


class OssStore(OssBucket):
    """A Store in `profile.bucket`. Uploads of more than `threshold` bytes go in parts of `part_size` bytes."""

    def __init__(
        self,
        profile: Profile,
        provider: CredentialsProvider,
        retry: Callable[[], tenacity.Retrying] = retrying,
        threshold: int = MULTIPART_THRESHOLD,
        part_size: int = PART_SIZE,
    ):
        super().__init__(profile, provider, retry)
        self._threshold = threshold
        self._part_size = part_size

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
        headers = self.headers(content_type or guess_content_type(key), overwrite)
        if disposition:
            headers["Content-Disposition"] = disposition
        if cache:
            headers["Cache-Control"] = cache
        name = self.name_of(key)
        # In a bucket with versioning OSS ignores forbid-overwrite, hence the question beforehand.
        if not overwrite:
            check_absent(self, key)
        if isinstance(source, Path) and source.stat().st_size > self._threshold:
            crc = multipart.upload(self.bucket, name, source, headers, self._part_size, self.call, on_step)
            return self._confirmed(key, source.stat().st_size, crc)
        data = source if isinstance(source, bytes) else source.read_bytes()
        if on_step:
            on_step(0, len(data))
        # With its MD5 OSS refuses a body that was damaged on the way, instead of storing it.
        headers["Content-MD5"] = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        crc, tries = crc64_of(data), 0

        def send() -> None:
            nonlocal tries
            tries += 1
            try:
                self.bucket.put_object(name, data, headers=headers)
            except oss2.exceptions.ServerError as error:
                # Our own earlier try may have arrived although its answer did not.
                if error.code == "FileAlreadyExists" and tries > 1 and self._is_stored(key, len(data), crc):
                    return
                raise

        self.call(send, key)
        if on_step:
            on_step(len(data), len(data))
        return self._confirmed(key, len(data), crc)

    def get(
        self, key: str, target: Path, *, max_bytes: int, crc64: int | None = None, on_step: OnStep | None = None
    ) -> ObjectInfo:
        def receive() -> ObjectInfo:
            result = self.bucket.get_object(self.name_of(key))
            try:
                info = object_info(key, result)
                blocks = iter(lambda: result.read(_BLOCK), b"")
                write_verified(target, info, blocks, max_bytes, crc64, on_step)
            finally:
                result.resp.response.close()
            return info

        return self.call(receive, key)

    def delete(self, key: str) -> None:
        """Deletes every version: what a person asked to have deleted must not live on as an old version."""
        name = self.name_of(key)
        page = self.call(lambda: self.bucket.list_object_versions(name, max_keys=1000), key)
        for found in [*page.versions, *page.delete_marker]:
            if found.key == name:
                params = {"versionId": found.versionid}
                self.call(lambda p=params: self.bucket.delete_object(name, params=p), key)  # type: ignore[misc]

    def abort_uploads(self, prefix: str) -> None:
        """Aborts the multipart uploads of keys that begin with `prefix`."""
        marker, upload_marker = "", ""
        while True:
            page = self.call(
                lambda key=marker, upload=upload_marker: self.bucket.list_multipart_uploads(  # type: ignore[misc]
                    prefix=self.profile.prefix + prefix, key_marker=key, upload_id_marker=upload
                ),
                prefix,
            )
            for found in page.upload_list:
                self.call(lambda f=found: self._abort(f), prefix)  # type: ignore[misc]
            if not page.is_truncated:
                return
            marker, upload_marker = page.next_key_marker, page.next_upload_id_marker

    def _abort(self, found: Any) -> None:
        with suppress(oss2.exceptions.NoSuchUpload):  # it ended meanwhile
            self.bucket.abort_multipart_upload(found.key, found.upload_id)

    def sign(self, key: str, *, seconds: int = 3600, filename: str | None = None) -> str:
        name = self.name_of(key)
        if self.profile.link == "public":
            return f"{self.public_base}/{quote(name)}"
        if self.profile.link == "cdn":
            return cdn_link(self.profile.domain, name, int(time.time()) + seconds)
        params = {}
        if filename:
            params["response-content-disposition"] = f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
        # The link dies with the short-lived token it is signed with.
        return self.link_bucket.sign_url("GET", name, seconds, params=params, slash_safe=True)

    def sign_upload(self, key: str, *, size: int, content_type: str, seconds: int) -> UploadLink:
        headers = {"Content-Type": content_type, "Content-Length": str(size), "x-oss-forbid-overwrite": "true"}
        url = self.link_bucket.sign_url(
            "PUT",
            self.name_of(key),
            seconds,
            headers=dict(headers),
            slash_safe=True,
            additional_headers=["content-length"],
        )
        return UploadLink("PUT", url, headers=headers)

    def in_parts(self) -> OssParts:
        return OssParts(self)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        token, cut = "", len(self.profile.prefix)
        while True:
            page = self.call(
                lambda token=token: self.bucket.list_objects_v2(  # type: ignore[misc]
                    self.profile.prefix + prefix, continuation_token=token, max_keys=1000
                ),
                prefix,
            )
            for found in page.object_list:
                kind = guess_content_type(found.key)
                yield ObjectInfo(found.key[cut:], found.size, found.etag, None, kind, found.last_modified)
            if not page.is_truncated:
                return
            token = page.next_continuation_token

    def _is_stored(self, key: str, size: int, crc: int) -> bool:
        try:
            info = object_info(key, self.bucket.head_object(self.name_of(key)))
        except oss2.exceptions.NotFound:
            return False
        return (info.size, info.crc64) == (size, crc)

    def _confirmed(self, key: str, size: int, crc: int) -> ObjectInfo:
        info = self.head(key)
        if info.crc64 is None:
            raise ChecksumMissing(f"OSS names no CRC64 for {key}, so the upload cannot be verified.")
        if (info.size, info.crc64) != (size, crc):
            raise ChecksumError(f"OSS holds {info.size} bytes under {key}, not the {size} that were uploaded.")
        return info


def cdn_link(domain: str, name: str, expires: int) -> str:
    """A link signed by the CDN's type A rule with the key in SONIC_OSS_CDN_KEY."""
    key = os.environ.get("SONIC_OSS_CDN_KEY")
    if not key:
        raise SettingsError("Links by CDN need the CDN's authentication key in SONIC_OSS_CDN_KEY.")
    path, nonce = "/" + quote(name), secrets.token_hex(8)
    digest = hashlib.md5(f"{path}-{expires}-{nonce}-0-{key}".encode(), usedforsecurity=False).hexdigest()
    return f"{domain}{path}?auth_key={expires}-{nonce}-0-{digest}"
