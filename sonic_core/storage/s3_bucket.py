"""A bucket of S3 or of a compatible service: its names, and our errors for those of boto3."""

from collections.abc import Callable
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from sonic_core.storage.keys import check_key
from sonic_core.storage.profiles import Profile
from sonic_core.storage.store import ObjectExists, ObjectInfo, ObjectNotFound, StorageError

CRC_METADATA = "sonic-crc64"
_MISSING = ("404", "NoSuchKey", "NotFound", "NoSuchVersion", "NoSuchUpload")
_TAKEN = ("PreconditionFailed", "412", "ConditionalRequestConflict")
T = TypeVar("T")


class S3Bucket:
    """`profile.bucket` through a boto3 client."""

    def __init__(self, profile: Profile, client: Any):
        self.profile, self.client = profile, client

    def head(self, key: str) -> ObjectInfo:
        name = self.name_of(key)
        return object_info(key, self.call(lambda: self.client.head_object(Bucket=self.profile.bucket, Key=name), key))

    def storage_class(self) -> dict[str, str]:
        """The storage class, as an argument of calls that create an object."""
        named = self.profile.storage_class
        return {} if named == "Standard" else {"StorageClass": named.upper()}

    def name_of(self, key: str) -> str:
        return check_key(self.profile.prefix + check_key(key))

    def call(self, request: Callable[[], T], key: str) -> T:
        """Runs a request (boto3 repeats what may be repeated) and turns its errors into ours, without their bodies."""
        try:
            return request()
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _MISSING:
                raise ObjectNotFound(key) from None
            if code in _TAKEN:
                raise ObjectExists(key) from None
            raise StorageError(f"The bucket {self.profile.bucket} refused {key}: {code}; check the profile.") from None
        except BotoCoreError as error:
            raise StorageError(f"The bucket gave no answer for {key} ({type(error).__name__}).") from None


def object_info(key: str, answer: dict[str, Any]) -> ObjectInfo:
    crc = answer.get("Metadata", {}).get(CRC_METADATA, "")
    return ObjectInfo(
        key=key,
        size=int(answer["ContentLength"]),
        etag=answer.get("ETag", "").strip('"'),
        crc64=int(crc) if crc.isdigit() else None,
        content_type=answer.get("ContentType", ""),
        modified=answer["LastModified"].timestamp(),
    )
