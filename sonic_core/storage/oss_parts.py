"""Uploads in parts that a browser sends straight to OSS: multipart uploads whose UploadPart requests are presigned."""

from typing import Any

from sonic_core.storage import multipart
from sonic_core.storage.oss_bucket import OssBucket
from sonic_core.storage.store import ObjectInfo, UploadLink


class OssParts:
    """The `PartUploads` of a bucket. At most 1000 parts: what one answer to ListParts holds."""

    def __init__(self, bucket: OssBucket):
        self._bucket = bucket

    def begin(self, key: str, content_type: str) -> str:
        name, headers = self._bucket.name_of(key), self._bucket.headers(content_type, overwrite=False)
        return str(
            self._bucket.call(lambda: self._bucket.bucket.init_multipart_upload(name, headers=headers), key).upload_id
        )

    def sign(self, key: str, upload: str, number: int, *, size: int, seconds: int) -> UploadLink:
        headers = {"Content-Length": str(size)}
        url = self._bucket.link_bucket.sign_url(
            "PUT",
            self._bucket.name_of(key),
            seconds,
            headers=dict(headers),
            params={"uploadId": upload, "partNumber": str(number)},
            slash_safe=True,
            additional_headers=["content-length"],
        )
        return UploadLink("PUT", url, headers=headers)

    def arrived(self, key: str, upload: str) -> dict[int, int]:
        return {part.part_number: part.size for part in self._list(key, upload)}

    def complete(self, key: str, upload: str) -> ObjectInfo:
        name, parts = self._bucket.name_of(key), self._list(key, upload)
        headers, size = {"x-oss-forbid-overwrite": "true"}, sum(part.size for part in parts)
        multipart.complete(self._bucket.bucket, name, upload, parts, headers, size, self._bucket.call)
        return self._bucket.head(key)

    def _list(self, key: str, upload: str) -> list[Any]:
        name = self._bucket.name_of(key)
        return list(self._bucket.call(lambda: self._bucket.bucket.list_parts(name, upload), key).parts)
