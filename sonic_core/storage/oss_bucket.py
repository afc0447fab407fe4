"""A bucket of Alibaba Cloud OSS: its clients, names and retries, and our errors for those of oss2.

oss2 retries nothing, so retries (tenacity) are ours. Errors carry status, code and request id only: an OSS error body
can hold the signed request with its token.
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import oss2
import tenacity

from sonic_core.storage.credentials import CredentialsProvider
from sonic_core.storage.keys import check_key
from sonic_core.storage.profiles import Profile
from sonic_core.storage.store import (
    ChecksumError,
    ChecksumMissing,
    ObjectExists,
    ObjectInfo,
    ObjectNotFound,
    StorageError,
)

logging.getLogger("oss2").setLevel(logging.WARNING)  # DEBUG prints the token, INFO whole error bodies

CRC_HEADER = "x-oss-hash-crc64ecma"
_TIMEOUT = 60  # seconds to connect, and between two reads
_RETRY_CODES = {"RequestTimeout", "InternalError", "ServiceUnavailable", "InvalidDigest"}

T = TypeVar("T")


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed later: no answer, 5xx, throttling, a damaged transfer."""
    if isinstance(error, ChecksumMissing):
        return False
    if isinstance(error, ChecksumError | oss2.exceptions.RequestError | oss2.exceptions.InconsistentError):
        return True
    if isinstance(error, oss2.exceptions.ServerError):
        return error.status >= 500 or error.status == 429 or error.code in _RETRY_CODES
    return isinstance(error, ConnectionError | TimeoutError)


def retrying(attempts: int = 6, first_wait: float = 0.2) -> tenacity.Retrying:
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_transient),
        stop=tenacity.stop_after_attempt(attempts),
        wait=tenacity.wait_random_exponential(multiplier=first_wait, max=20),
        reraise=True,
    )


class OssBucket:
    """`profile.bucket` through two clients: `bucket` moves bytes, `link_bucket` signs links for others.

    `retry` makes a fresh tenacity policy for each call.
    """

    def __init__(self, profile: Profile, provider: CredentialsProvider, retry: Callable[[], tenacity.Retrying]):
        public = profile.endpoint or f"https://oss-{profile.region}.aliyuncs.com"
        auth = oss2.ProviderAuthV4(provider)
        session = oss2.Session()

        def bucket(endpoint: str, is_cname: bool = False) -> oss2.Bucket:
            return oss2.Bucket(
                auth, endpoint, profile.bucket, is_cname=is_cname, session=session, region=profile.region,
                connect_timeout=_TIMEOUT, enable_crc=False,
            )  # fmt: skip

        self.profile = profile
        self.bucket = bucket(profile.internal_endpoint or public)
        self.link_bucket = bucket(profile.domain, is_cname=True) if profile.domain else bucket(public)
        self.public_base = profile.domain or _bucket_url(public, profile.bucket)
        self._retry = retry

    def head(self, key: str) -> ObjectInfo:
        return self.call(lambda: object_info(key, self.bucket.head_object(self.name_of(key))), key)

    def call(self, request: Callable[[], T], key: str) -> T:
        """Runs a request with retries and turns oss2's errors into ours, without their bodies."""
        try:
            return self._retry()(request)
        except oss2.exceptions.OssError as error:
            raise translate(error, key) from None
        except (ConnectionError, TimeoutError) as error:
            raise StorageError(
                f"The connection to OSS broke while working on {key} ({type(error).__name__})."
            ) from None

    def headers(self, content_type: str, overwrite: bool) -> dict[str, str]:
        """The headers of every object that is sent."""
        return {
            "Content-Type": content_type,
            "x-oss-storage-class": self.profile.storage_class,
            "x-oss-forbid-overwrite": "false" if overwrite else "true",
        }

    def name_of(self, key: str) -> str:
        return check_key(self.profile.prefix + check_key(key))


def translate(error: oss2.exceptions.OssError, key: str) -> StorageError:
    if isinstance(error, oss2.exceptions.NoSuchBucket):
        return StorageError(f"There is no such bucket (request {error.request_id}); check the profile.")
    if error.status == 404:
        return ObjectNotFound(key)
    if error.code == "FileAlreadyExists":
        return ObjectExists(key)
    if error.status < 0:
        cause = type(getattr(error, "exception", error)).__name__
        return StorageError(f"OSS gave no answer for {key} ({cause}); check the endpoint and the network.")
    hint = {403: "; check the credentials and their RAM policy"}.get(error.status, "")
    return StorageError(f"OSS refused {key}: {error.status} {error.code} (request {error.request_id}){hint}.")


def object_info(key: str, result: Any) -> ObjectInfo:
    crc = result.headers.get(CRC_HEADER)
    return ObjectInfo(
        key=key,
        size=int(result.headers["Content-Length"]),
        etag=result.headers.get("ETag", "").strip('"'),
        crc64=int(crc) if crc is not None else None,
        content_type=result.headers.get("Content-Type", ""),
        modified=float(result.last_modified or 0),
    )


def _bucket_url(endpoint: str, bucket: str) -> str:
    scheme, _, host = endpoint.partition("://")
    return f"{scheme}://{bucket}.{host}"
