"""A strict OSS server for the tests: it refuses whatever the real one would refuse.

Verifies V4 signatures (header and query), STS tokens, expiry, Content-MD5, multipart rules and
forbid-overwrite, keeps versions, answers with CRC64. Knobs make it fail on purpose: lost answers, 503s,
missing checksums, damaged downloads. Path-style addresses; `cnames` maps a host name to a bucket.
"""

import base64
import hashlib
import random
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from oss_signature import Account, Refused, parse_query, verify

from sonic_core.storage.crc64 import crc64

MIN_PART = 100 << 10
SUBRESOURCES = {"lifecycle", "versioning", "referer", "publicAccessBlock"}
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


class OssServer:
    """Start with `with OssServer() as server:`; `server.endpoint` is its address."""

    def __init__(self, region: str = "cn-hangzhou", seed: int = 0):
        self.region = region
        self.accounts: dict[str, Account] = {}
        self.buckets: dict[str, Bucket] = {}
        self.cnames: dict[str, str] = {}
        self.lock = threading.RLock()
        self.requests: list[str] = []
        self.refused: list[str] = []
        self.clock_offset = timedelta(0)
        self.fail_rate = 0.0  # of requests answered 503 before anything happened
        self.lose_rate = 0.0  # of requests carried out whose answer is lost
        self.omit_crc = False
        self.damage_downloads = 0  # how many of the next downloads arrive with a wrong byte
        self._random = random.Random(seed)
        self._serial = 0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> "OssServer":
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def now(self) -> datetime:
        return datetime.now(timezone.utc).replace(microsecond=0) + self.clock_offset

    def chance(self, rate: float) -> bool:
        with self.lock:
            return rate > 0 and self._random.random() < rate

    def next_id(self) -> str:
        with self.lock:
            self._serial += 1
            return f"{self._serial:08X}"


class Answer:
    def __init__(self, status: int = 200, body: bytes = b"", headers: dict[str, str] | None = None):
        self.status, self.body, self.headers = status, body, headers or {}


def _handler(server: OssServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_request(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {k.lower(): v for k, v in self.headers.items()}
            path, _, raw_query = self.path.partition("?")
            server.requests.append(f"{self.command} {self.path}")
            try:
                if "transfer-encoding" in headers:
                    raise Refused(411, "MissingContentLength")
                if server.chance(server.fail_rate):
                    raise Refused(503, "ServiceUnavailable", "on purpose")
                bucket_name, key = _address(server, self.headers.get("Host", ""), unquote(path, errors="strict"))
                resource = f"/{bucket_name}/{key}" if bucket_name else "/"
                who = verify(self.command, resource, raw_query, headers, server.accounts, server.region, server.now())
                with server.lock:
                    answer = _serve(
                        server, bucket_name, key, who, self.command, dict(parse_query(raw_query)), headers, body
                    )
            except Refused as refused:
                server.refused.append(f"{refused.status} {refused.code}")
                said = f"<Message>{escape(refused.message)}</Message>{refused.extra}"
                xml = f"<Error><Code>{refused.code}</Code>{said}</Error>"
                answer = Answer(refused.status, b"" if self.command == "HEAD" else xml.encode())
            if answer.status < 500 and server.chance(server.lose_rate):
                self.close_connection = True
                return
            self.send_response(answer.status)
            answer.headers.setdefault("Content-Length", str(len(answer.body)))
            answer.headers["x-oss-request-id"] = server.next_id()
            if server.omit_crc:
                answer.headers.pop("x-oss-hash-crc64ecma", None)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD" and answer.status != 204:
                self.wfile.write(answer.body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_request

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _address(server: OssServer, host: str, path: str) -> tuple[str, str]:
    name = host.rsplit(":", 1)[0]
    if name in server.cnames:
        return server.cnames[name], path[1:]
    bucket, _, key = path[1:].partition("/")
    return bucket, key


def _serve(server, bucket_name, key, who, method, query, headers, body) -> Answer:
    bucket = server.buckets.get(bucket_name)
    if bucket is None:
        raise Refused(404, "NoSuchBucket")
    if who is None:
        public = bucket.acl == "public-read" and b"true" not in bucket.config.get("publicAccessBlock", b"").lower()
        if not (public and method in ("GET", "HEAD") and key):
            raise Refused(403, "AccessDenied", "not signed")
    query = {k: v for k, v in query.items() if not k.startswith("x-oss-")}
    if not key:
        return _serve_bucket(server, bucket, method, query, headers, body)
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
        return _xml(f"<InitiateMultipartUploadResult><UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>")
    upload = bucket.uploads.get(query.get("uploadId", ""))
    if upload is None or upload.key != key:
        raise Refused(404, "NoSuchUpload")
    if method == "PUT":
        number = int(query.get("partNumber", "0"))
        if not 1 <= number <= 10_000:
            raise Refused(400, "InvalidArgument", "partNumber")
        _check_md5(headers, body)
        upload.parts[number] = body
        return Answer(headers={"ETag": f'"{hashlib.md5(body).hexdigest().upper()}"', **_crc(body)})
    if method == "GET":
        parts = "".join(
            f"<Part><PartNumber>{n}</PartNumber><ETag>{hashlib.md5(p).hexdigest().upper()}</ETag><Size>{len(p)}</Size>"
            f"<LastModified>{server.now():%Y-%m-%dT%H:%M:%S.000Z}</LastModified></Part>"
            for n, p in sorted(upload.parts.items())
        )
        return _xml(
            "<ListPartsResult><IsTruncated>false</IsTruncated><NextPartNumberMarker>0</NextPartNumberMarker>"
            f"{parts}</ListPartsResult>"
        )
    if method == "POST":
        return _complete(server, bucket, key, query["uploadId"], upload, headers, body)
    if method == "DELETE":
        del bucket.uploads[query["uploadId"]]
        return Answer(204)
    raise Refused(405, "MethodNotAllowed")


def _put(server, bucket, key, headers, body) -> Answer:
    _check_overwrite(bucket, key, headers)
    _check_md5(headers, body)
    return _store(server, bucket, key, headers, body)


def _store(server, bucket, key, headers, body) -> Answer:
    kept = {k: v for k, v in headers.items() if k in ("content-type", "content-disposition", "x-oss-storage-class")}
    if kept.get("x-oss-storage-class", "Standard") not in STORAGE_CLASSES:
        raise Refused(400, "InvalidStorageClass")
    version = Version(server.next_id() if bucket.versioned else "null", body, kept, server.now())
    older = bucket.objects.get(key, []) if bucket.versioned else []
    bucket.objects[key] = [*older, version]
    return Answer(headers={"ETag": version.etag, **_crc(body)})


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
    return _xml(
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
    disposition = query.get("response-content-disposition") or version.headers.get("content-disposition")
    if disposition:
        extra["Content-Disposition"] = disposition
    if server.damage_downloads > 0 and data:
        server.damage_downloads -= 1
        data = bytes([data[0] ^ 1]) + data[1:]
    return Answer(
        status, data,
        {"ETag": version.etag, "Last-Modified": format_datetime(version.modified, usegmt=True),
         **_crc(version.data), **extra},
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


def _serve_bucket(server, bucket, method, query, headers, body) -> Answer:
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
        return _xml(
            f"<AccessControlPolicy><AccessControlList><Grant>{bucket.acl}</Grant></AccessControlList></AccessControlPolicy>"
        )
    if method == "GET" and query.get("list-type") == "2":
        return _list(bucket, query)
    if method == "GET" and "versions" in query:
        return _list_versions(bucket, query.get("prefix", ""))
    raise Refused(400, "InvalidArgument", f"unknown parameters {sorted(query)}")


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
    return _xml(
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
    return _xml(
        f"<ListVersionsResult><Name>b</Name><Prefix>{quote(prefix)}</Prefix><KeyMarker></KeyMarker>"
        "<VersionIdMarker></VersionIdMarker><MaxKeys>1000</MaxKeys><Delimiter></Delimiter>"
        f"<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>{rows}</ListVersionsResult>"
    )


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


def _crc(body: bytes) -> dict[str, str]:
    return {"x-oss-hash-crc64ecma": str(crc64(body))}


def _xml(text: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(body=f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode(), headers=dict(headers or {}))
