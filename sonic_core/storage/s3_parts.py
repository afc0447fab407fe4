"""Uploads in parts that a browser sends straight to S3: multipart uploads whose UploadPart requests are presigned."""

from typing import Any

from sonic_core.storage.s3_bucket import S3Bucket
from sonic_core.storage.store import ObjectInfo, UploadLink


class S3Parts:
    """The `PartUploads` of a bucket. At most 1000 parts: what one answer to ListParts holds."""

    def __init__(self, bucket: S3Bucket):
        self._bucket, self._client = bucket, bucket.client

    def begin(self, key: str, content_type: str) -> str:
        about = {**self._where(key), "ContentType": content_type, **self._bucket.storage_class()}
        return str(self._bucket.call(lambda: self._client.create_multipart_upload(**about), key)["UploadId"])

    def sign(self, key: str, upload: str, number: int, *, size: int, seconds: int) -> UploadLink:
        part = {**self._where(key), "UploadId": upload, "PartNumber": number, "ContentLength": size}
        url = self._client.generate_presigned_url("upload_part", Params=part, ExpiresIn=seconds)
        return UploadLink("PUT", url, headers={"Content-Length": str(size)})

    def arrived(self, key: str, upload: str) -> dict[int, int]:
        return {part["PartNumber"]: part["Size"] for part in self._list(key, upload)}

    def complete(self, key: str, upload: str) -> ObjectInfo:
        parts = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in self._list(key, upload)]
        whole = {**self._where(key), "UploadId": upload, "MultipartUpload": {"Parts": parts}, "IfNoneMatch": "*"}
        self._bucket.call(lambda: self._client.complete_multipart_upload(**whole), key)
        return self._bucket.head(key)

    def _list(self, key: str, upload: str) -> list[dict[str, Any]]:
        answer = self._bucket.call(lambda: self._client.list_parts(**self._where(key), UploadId=upload), key)
        return list(answer.get("Parts", []))

    def _where(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket.profile.bucket, "Key": self._bucket.name_of(key)}
