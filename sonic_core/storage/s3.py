"""S3 and compatible services (AWS, MinIO, Ceph, R2) as a Store, by boto3.

S3 knows no CRC64 of ours, so it travels with the object as metadata; objects that others uploaded have none and are
verified by their MD5 where the ETag is one. Credentials come from boto3's own chain (environment, files, roles).
Knows one bucket; no jobs.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
from botocore.config import Config

from sonic_core.errors import SettingsError
from sonic_core.storage.crc64 import crc64 as crc64_of
from sonic_core.storage.crc64 import crc64_of_file
from sonic_core.storage.profiles import Profile
from sonic_core.storage.s3_bucket import CRC_METADATA, S3Bucket, object_info
from sonic_core.storage.s3_parts import S3Parts
from sonic_core.storage.store import (
    ChecksumError,
    ObjectInfo,
    OnStep,
    UploadLink,
    check_absent,
    guess_content_type,
    write_verified,
)

_BLOCK = 1 << 20
_THRESHOLD = 16 << 20
_PART = 8 << 20


class S3Store(S3Bucket):
    """A Store in one bucket. Uploads of more than `threshold` bytes go in parts of `part_size` bytes."""

    def __init__(self, profile: Profile, client: Any, threshold: int = _THRESHOLD, part_size: int = _PART):
        super().__init__(profile, client)
        self._threshold, self._part_size = threshold, part_size

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
        name = self.name_of(key)
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        crc = crc64_of(source) if isinstance(source, bytes) else crc64_of_file(source)
        about: dict[str, Any] = {
            "Bucket": self.profile.bucket,
            "Key": name,
            "ContentType": content_type or guess_content_type(key),
            "Metadata": {CRC_METADATA: str(crc)},
            **({"ContentDisposition": disposition} if disposition else {}),
            **({"CacheControl": cache} if cache else {}),
            **self.storage_class(),
        }
        # Not every server knows If-None-Match, hence the question beforehand.
        condition = {} if overwrite else {"IfNoneMatch": "*"}
        if not overwrite:
            check_absent(self, key)
        if isinstance(source, Path) and size > self._threshold:
            self._put_parts(key, source, size, about, condition, on_step)
        else:
            data = source if isinstance(source, bytes) else source.read_bytes()
            if on_step:
                on_step(0, size)
            digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
            self.call(lambda: self.client.put_object(**about, **condition, Body=data, ContentMD5=digest), key)
            if on_step:
                on_step(size, size)
        info = self.head(key)
        if (info.size, info.crc64) != (size, crc):
            raise ChecksumError(f"The bucket holds {info.size} bytes under {key}, not the {size} that were uploaded.")
        return info

    def _put_parts(
        self,
        key: str,
        source: Path,
        size: int,
        about: dict[str, Any],
        condition: dict[str, str],
        on_step: OnStep | None,
    ) -> None:
        where = {"Bucket": about["Bucket"], "Key": about["Key"]}
        upload = self.call(lambda: self.client.create_multipart_upload(**about), key)["UploadId"]
        parts: list[dict[str, Any]] = []
        try:
            with open(source, "rb") as file:
                while data := file.read(self._part_size):
                    if on_step:
                        on_step(len(parts) * self._part_size, size)
                    digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
                    part = {"UploadId": upload, "PartNumber": len(parts) + 1, "Body": data, "ContentMD5": digest}
                    sent = self.call(lambda p=part: self.client.upload_part(**where, **p), key)  # type: ignore[misc]
                    parts.append({"PartNumber": part["PartNumber"], "ETag": sent["ETag"]})
            if on_step:
                on_step(size, size)
            whole = {"UploadId": upload, "MultipartUpload": {"Parts": parts}}
            self.call(lambda: self.client.complete_multipart_upload(**where, **whole, **condition), key)
        except BaseException:  # a cancel, too: leave nothing behind in the bucket
            self.call(lambda: self.client.abort_multipart_upload(**where, UploadId=upload), key)
            raise

    def get(
        self, key: str, target: Path, *, max_bytes: int, crc64: int | None = None, on_step: OnStep | None = None
    ) -> ObjectInfo:
        def receive() -> ObjectInfo:
            answer = self.client.get_object(Bucket=self.profile.bucket, Key=self.name_of(key))
            with answer["Body"] as body:
                info = object_info(key, answer)
                if info.crc64 is None:  # somebody else's upload
                    return self._receive_foreign(info, body, target, max_bytes, crc64, on_step)
                write_verified(target, info, iter(lambda: body.read(_BLOCK), b""), max_bytes, crc64, on_step)
            return info

        return self.call(receive, key)

    def _receive_foreign(
        self, info: ObjectInfo, body: Any, target: Path, max_bytes: int, expected: int | None, on_step: OnStep | None
    ) -> ObjectInfo:
        """Downloads what carries no CRC64 of ours, and computes it. Checked by size and, where there is one, MD5."""
        found, md5 = [0], hashlib.md5(usedforsecurity=False)

        def blocks() -> Iterator[bytes]:
            while data := body.read(_BLOCK):
                found[0] = crc64_of(data, found[0])
                md5.update(data)
                yield data

        raw = target.with_name(f"{target.name}.unverified")
        try:
            write_verified(raw, info, blocks(), max_bytes, None, on_step, trusted=True)
            if re.fullmatch(r"[0-9a-f]{32}", info.etag) and md5.hexdigest() != info.etag:
                raise ChecksumError(f"The download of {info.key} is damaged: its MD5 is not the bucket's.")
            if expected is not None and found[0] != expected:
                raise ChecksumError(f"The object {info.key} is not the one that was recorded: its CRC64 is {found[0]}.")
            raw.replace(target)
        finally:
            raw.unlink(missing_ok=True)
        return ObjectInfo(info.key, info.size, info.etag, found[0], info.content_type, info.modified)

    def delete(self, key: str) -> None:
        """Deletes every version: what a person asked to have deleted must not live on as an old version."""
        name, bucket = self.name_of(key), self.profile.bucket
        pages = self.client.get_paginator("list_object_versions")

        def versions() -> list[dict[str, Any]]:
            found = []
            for page in pages.paginate(Bucket=bucket, Prefix=name):
                found += [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            return [version for version in found if version["Key"] == name]

        for version in self.call(versions, key):
            self.call(
                lambda v=version: self.client.delete_object(Bucket=bucket, Key=name, VersionId=v["VersionId"]),  # type: ignore[misc]
                key,
            )

    def sign(self, key: str, *, seconds: int = 3600, filename: str | None = None) -> str:
        parameters = {"Bucket": self.profile.bucket, "Key": self.name_of(key)}
        if filename:
            parameters["ResponseContentDisposition"] = f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
        return str(self.client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds))

    def sign_upload(self, key: str, *, size: int, content_type: str, seconds: int) -> UploadLink:
        conditions = [["content-length-range", size, size], {"Content-Type": content_type}]
        made = self.client.generate_presigned_post(
            self.profile.bucket, self.name_of(key), {"Content-Type": content_type}, conditions, seconds
        )
        return UploadLink("POST", made["url"], fields=made["fields"])

    def in_parts(self) -> S3Parts:
        return S3Parts(self)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        pages = self.client.get_paginator("list_objects_v2")
        cut = len(self.profile.prefix)
        asked = {"Bucket": self.profile.bucket, "Prefix": self.profile.prefix + prefix}
        for page in self.call(lambda: [*pages.paginate(**asked)], prefix):
            for found in page.get("Contents", []):
                kind, modified = guess_content_type(found["Key"]), found["LastModified"].timestamp()
                yield ObjectInfo(found["Key"][cut:], found["Size"], found["ETag"].strip('"'), None, kind, modified)

    def abort_uploads(self, prefix: str) -> None:
        pages = self.client.get_paginator("list_multipart_uploads")
        asked = {"Bucket": self.profile.bucket, "Prefix": self.profile.prefix + prefix}
        for page in self.call(lambda: [*pages.paginate(**asked)], prefix):
            for found in page.get("Uploads", []):
                where = {"Bucket": self.profile.bucket, "Key": found["Key"], "UploadId": found["UploadId"]}
                self.call(lambda w=where: self.client.abort_multipart_upload(**w), prefix)  # type: ignore[misc]


def open_s3_store(profile: Profile) -> S3Store:
    """A store on the profile's bucket. Raises SettingsError for credentials that are not boto3's to find."""
    if profile.credentials != "env":
        raise SettingsError(f"The storage profile {profile.name!r} is s3: boto3 finds its credentials; leave them out.")
    if profile.link == "cdn":
        raise SettingsError(f"The storage profile {profile.name!r} is s3; link = cdn is OSS's. Use private.")
    config = Config(
        signature_version="s3v4", retries={"max_attempts": 6, "mode": "standard"}, connect_timeout=10, read_timeout=60,
        s3={"addressing_style": "path" if profile.endpoint else "auto"},
        request_checksum_calculation="when_required", response_checksum_validation="when_required",
    )  # fmt: skip
    region = profile.region or "us-east-1"
    return S3Store(
        profile, boto3.client("s3", region_name=region, endpoint_url=profile.endpoint or None, config=config)
    )
