"""What the strict OSS server keeps, and its answers to requests about a bucket: rules, access, listings."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote
from xml.etree import ElementTree

from oss_signature import Refused

SUBRESOURCES = {"lifecycle", "versioning", "referer", "publicAccessBlock"}


@dataclass
class Version:
    version_id: str
    data: bytes | None  # None: a delete marker
    headers: dict[str, str]
    modified: datetime

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.data or b"").hexdigest().upper()}"'


@dataclass
class Upload:
    key: str
    headers: dict[str, str]
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass
class Bucket:
    objects: dict[str, list[Version]] = field(default_factory=dict)  # newest last
    uploads: dict[str, Upload] = field(default_factory=dict)
    config: dict[str, bytes] = field(default_factory=dict)
    acl: str = "private"

    @property
    def versioned(self) -> bool:
        return b"Enabled" in self.config.get("versioning", b"")

    def current(self, key: str) -> Version | None:
        versions = self.objects.get(key)
        return versions[-1] if versions and versions[-1].data is not None else None

    def visible(self) -> dict[str, bytes]:
        return {
            key: v.data for key in sorted(self.objects) if (v := self.current(key)) is not None and v.data is not None
        }


class Answer:
    def __init__(self, status: int = 200, body: bytes = b"", headers: dict[str, str] | None = None):
        self.status, self.body, self.headers = status, body, headers or {}


def xml(text: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(body=f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode(), headers=dict(headers or {}))


def serve_bucket(bucket, method, query, headers, body) -> Answer:
    sub = next((name for name in SUBRESOURCES if name in query), None)
    if sub and method == "PUT":
        ElementTree.fromstring(body)
        bucket.config[sub] = body
        return Answer()
    if sub and method == "GET":
        if sub not in bucket.config and sub == "lifecycle":
            raise Refused(404, "NoSuchLifecycle")
        defaults = {
            "versioning": b"<VersioningConfiguration/>",
            "referer": b"<RefererConfiguration><AllowEmptyReferer>true</AllowEmptyReferer><RefererList/>"
            b"</RefererConfiguration>",
            "publicAccessBlock": b"<PublicAccessBlockConfiguration><BlockPublicAccess>false</BlockPublicAccess>"
            b"</PublicAccessBlockConfiguration>",
        }
        return Answer(body=bucket.config.get(sub) or defaults[sub])
    if "acl" in query:
        if method == "PUT":
            bucket.acl = headers["x-oss-acl"]
            return Answer()
        return xml(
            f"<AccessControlPolicy><AccessControlList><Grant>{bucket.acl}</Grant></AccessControlList></AccessControlPolicy>"
        )
    if method == "GET" and query.get("list-type") == "2":
        return _list(bucket, query)
    if method == "GET" and "versions" in query:
        return _list_versions(bucket, query.get("prefix", ""))
    if method == "GET" and "uploads" in query:
        return _list_uploads(bucket, query.get("prefix", ""))
    raise Refused(400, "InvalidArgument", f"unknown parameters {sorted(query)}")


def _list_uploads(bucket, prefix) -> Answer:
    rows = "".join(
        f"<Upload><Key>{quote(upload.key)}</Key><UploadId>{name}</UploadId><Initiated>2026-01-01T00:00:00.000Z</Initiated>"
        "</Upload>"
        for name, upload in bucket.uploads.items()
        if upload.key.startswith(prefix)
    )
    return xml(
        "<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
        f"<NextKeyMarker></NextKeyMarker><NextUploadIdMarker></NextUploadIdMarker>{rows}</ListMultipartUploadsResult>"
    )


def _list(bucket, query) -> Answer:
    unknown = set(query) - {
        "list-type", "prefix", "continuation-token", "start-after", "max-keys", "encoding-type", "delimiter",
        "fetch-owner",
    }  # fmt: skip
    if unknown or query.get("delimiter"):
        raise Refused(400, "InvalidArgument", f"parameters {sorted(query)}")
    limit = int(query.get("max-keys") or 100)
    after = query.get("continuation-token") or query.get("start-after") or ""
    keys = [key for key in bucket.visible() if key.startswith(query.get("prefix", "")) and key > after]
    contents = ""
    for key in keys[:limit]:
        version = bucket.current(key)
        contents += (
            f"<Contents><Key>{quote(key)}</Key><LastModified>{version.modified:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
            f"<ETag>{version.etag}</ETag><Type>Normal</Type><Size>{len(version.data)}</Size>"
            "<StorageClass>Standard</StorageClass></Contents>"
        )
    more = len(keys) > limit
    token = f"<NextContinuationToken>{quote(keys[limit - 1])}</NextContinuationToken>" if more else ""
    return xml(
        f"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>{token}"
        f"{contents}</ListBucketResult>"
    )


def _list_versions(bucket, prefix) -> Answer:
    rows = ""
    for key in sorted(k for k in bucket.objects if k.startswith(prefix)):
        for version in bucket.objects[key]:
            common = (
                f"<Key>{quote(key)}</Key><VersionId>{version.version_id}</VersionId><IsLatest>false</IsLatest>"
                f"<LastModified>{version.modified:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
                "<Owner><ID>1</ID><DisplayName>1</DisplayName></Owner>"
            )
            if version.data is None:
                rows += f"<DeleteMarker>{common}</DeleteMarker>"
            else:
                rows += (
                    f"<Version>{common}<ETag>{version.etag}</ETag><Type>Normal</Type><Size>{len(version.data)}</Size>"
                    "<StorageClass>Standard</StorageClass></Version>"
                )
    return xml(
        f"<ListVersionsResult><Name>b</Name><Prefix>{quote(prefix)}</Prefix><KeyMarker></KeyMarker>"
        "<VersionIdMarker></VersionIdMarker><MaxKeys>1000</MaxKeys><Delimiter></Delimiter>"
        f"<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>{rows}</ListVersionsResult>"
    )
