"""Uploads in parts that a browser sends straight to OSS: multipart uploads whose UploadPart requests are presigned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sonic_core.storage import multipart
from sonic_core.storage.store import ObjectInfo, UploadLink

if TYPE_CHECKING:
    from sonic_core.storage.oss import OssStore


class OssParts:
    """The `PartUploads` of a bucket. At most 1000 parts: what one answer to ListParts holds."""

    def __init__(self, store: OssStore):
        self._store, self._bucket = store, store.bucket

    def begin(self, key: str, content_type: str) -> str:
        name, headers = self._store.name_of(key), self._store.headers(content_type, overwrite=False)
        return str(self._store.call(lambda: self._bucket.init_multipart_upload(name, headers=headers), key).upload_id)

    def sign(self, key: str, upload: str, number: int, *, size: int, seconds: int) -> UploadLink:
        headers = {"Content-Length": str(size)}
        url = self._store.link_bucket.sign_url(
            "PUT",
            self._store.name_of(key),
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
        name, parts = self._store.name_of(key), self._list(key, upload)
        headers, size = {"x-oss-forbid-overwrite": "true"}, sum(part.size for part in parts)
        multipart.complete(self._bucket, name, upload, parts, headers, size, self._store.call)
        return self._store.head(key)

    def _list(self, key: str, upload: str) -> list[Any]:
        name = self._store.name_of(key)
        return list(self._store.call(lambda: self._bucket.list_parts(name, upload), key).parts)
