"""The strict OSS server's answers to requests about an object: put, get, delete and multipart uploads."""

import base64
import hashlib
from email.utils import format_datetime
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from oss_bucket import Answer, Upload, Version, xml
from oss_signature import Refused

from sonic_core.storage.crc64 import crc64

MIN_PART = 100 << 10
OBJECT_PARAMETERS = {
    "uploads",
    "uploadId",
    "partNumber",
    "versionId",
    "max-parts",
    "part-number-marker",
    "encoding-type",
}
STORAGE_CLASSES = {"Standard", "IA", "Archive"}


def serve_object(server, bucket, key, method, query, headers, body) -> Answer:
    if len(key.encode()) > 1023 or key[0] in "/\\":
        raise Refused(400, "InvalidObjectName")
    unknown = {k for k in query if k not in OBJECT_PARAMETERS and not k.startswith("response-")}
    if unknown:
        raise Refused(400, "InvalidArgument", f"unknown parameters {sorted(unknown)}")
    if method == "PUT" and not query:
        return _put(server, bucket, key, headers, body)
    if method in ("GET", "HEAD") and "uploadId" not in query:
        return _get(server, bucket, key, query, headers)
    if method == "DELETE" and "uploadId" not in query:
        return _delete(server, bucket, key, query)
    if method == "POST" and "uploads" in query:
        _check_overwrite(bucket, key, headers)
        upload_id = "U" + server.next_id()
        bucket.uploads[upload_id] = Upload(key, headers)
        return xml(f"<InitiateMultipartUploadResult><UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>")
    upload = bucket.uploads.get(query.get("uploadId", ""))
    if upload is None or upload.key != key:
        raise Refused(404, "NoSuchUpload")
    if method == "PUT":
        number = int(query.get("partNumber", "0"))
        if not 1 <= number <= 10_000:
            raise Refused(400, "InvalidArgument", "partNumber")
        _check_md5(headers, body)
        upload.parts[number] = body
        return Answer(headers={"ETag": f'"{hashlib.md5(body).hexdigest().upper()}"', **crc(body)})
    if method == "GET":
        parts = "".join(
            f"<Part><PartNumber>{n}</PartNumber><ETag>{hashlib.md5(p).hexdigest().upper()}</ETag><Size>{len(p)}</Size>"
            f"<LastModified>{server.now():%Y-%m-%dT%H:%M:%S.000Z}</LastModified></Part>"
            for n, p in sorted(upload.parts.items())
        )
        return xml(
            "<ListPartsResult><IsTruncated>false</IsTruncated><NextPartNumberMarker>0</NextPartNumberMarker>"
            f"{parts}</ListPartsResult>"
        )
    if method == "POST":
        return _complete(server, bucket, key, query["uploadId"], upload, headers, body)
    if method == "DELETE":
        del bucket.uploads[query["uploadId"]]
        return Answer(204)
    raise Refused(405, "MethodNotAllowed")


KEPT = ("content-type", "content-disposition", "cache-control", "x-oss-storage-class")


def _put(server, bucket, key, headers, body) -> Answer:
    _check_overwrite(bucket, key, headers)
    _check_md5(headers, body)
    return _store(server, bucket, key, headers, body)


def _store(server, bucket, key, headers, body) -> Answer:
    kept = {name: headers[name] for name in KEPT if name in headers}
    if kept.get("x-oss-storage-class", "Standard") not in STORAGE_CLASSES:
        raise Refused(400, "InvalidStorageClass")
    version = Version(server.next_id() if bucket.versioned else "null", body, kept, server.now())
    older = bucket.objects.get(key, []) if bucket.versioned else []
    bucket.objects[key] = [*older, version]
    return Answer(headers={"ETag": version.etag, **crc(body)})


def _complete(server, bucket, key, upload_id, upload, headers, body) -> Answer:
    _check_overwrite(bucket, key, headers)
    asked = [(int(p.findtext("PartNumber", "0")), p.findtext("ETag", "")) for p in ElementTree.fromstring(body)]
    numbers = [number for number, _ in asked]
    if not asked or numbers != sorted(set(numbers)):
        raise Refused(400, "InvalidPartOrder")
    for number, etag in asked:
        part = upload.parts.get(number)
        if part is None or hashlib.md5(part).hexdigest().upper() != etag.strip('"').upper():
            raise Refused(400, "InvalidPart")
        if number != numbers[-1] and len(part) < MIN_PART:
            raise Refused(400, "EntityTooSmall")
    del bucket.uploads[upload_id]
    whole = b"".join(upload.parts[number] for number in numbers)
    answer = _store(server, bucket, key, upload.headers, whole)
    etag = answer.headers["ETag"]
    return xml(
        f"<CompleteMultipartUploadResult><ETag>{escape(etag)}</ETag></CompleteMultipartUploadResult>", answer.headers
    )


def _get(server, bucket, key, query, headers) -> Answer:
    version = bucket.current(key)
    if version is None or version.data is None:
        raise Refused(404, "NoSuchKey")
    data, status, extra = version.data, 200, {}
    if "range" in headers:
        first, _, last = headers["range"].removeprefix("bytes=").partition("-")
        end = min(int(last) if last else len(data) - 1, len(data) - 1)
        extra["Content-Range"] = f"bytes {first}-{end}/{len(data)}"
        data, status = data[int(first) : end + 1], 206
    extra["Content-Type"] = version.headers.get("content-type", "application/octet-stream")
    if "cache-control" in version.headers:
        extra["Cache-Control"] = version.headers["cache-control"]
    disposition = query.get("response-content-disposition") or version.headers.get("content-disposition")
    if disposition:
        extra["Content-Disposition"] = disposition
    if server.damage_downloads > 0 and data:
        server.damage_downloads -= 1
        data = bytes([data[0] ^ 1]) + data[1:]
    return Answer(
        status, data,
        {"ETag": version.etag, "Last-Modified": format_datetime(version.modified, usegmt=True),
         **crc(version.data), **extra},
    )  # fmt: skip


def _delete(server, bucket, key, query) -> Answer:
    versions = bucket.objects.get(key, [])
    if "versionId" in query:
        left = [v for v in versions if v.version_id != query["versionId"]]
    elif bucket.versioned:
        left = [*versions, Version(server.next_id(), None, {}, server.now())]
    else:
        left = []
    bucket.objects[key] = left
    if not left:
        del bucket.objects[key]
    return Answer(204)


def _check_overwrite(bucket, key, headers) -> None:
    forbid = headers.get("x-oss-forbid-overwrite", "false")
    if forbid not in ("true", "false"):
        raise Refused(400, "InvalidArgument", "x-oss-forbid-overwrite")
    # As documented: the header has no effect in a bucket with versioning.
    if forbid == "true" and not bucket.versioned and bucket.current(key) is not None:
        raise Refused(409, "FileAlreadyExists", "The object you specified already exists and can not be overwritten.")


def _check_md5(headers, body) -> None:
    expected = headers.get("content-md5")
    if expected is not None and base64.b64encode(hashlib.md5(body).digest()).decode() != expected:
        raise Refused(400, "InvalidDigest")


def crc(body: bytes) -> dict[str, str]:
    return {"x-oss-hash-crc64ecma": str(crc64(body))}
