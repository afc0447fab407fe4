"""Multipart upload to OSS driven by hand: init, parts, complete.

oss2's own resumable upload drops `x-oss-forbid-overwrite` on completion. Here the header goes with init and
completion, every part and the whole are checked by CRC64, and a record beside the source file lets a later
run of the same upload go on where this one stopped. Raising from `on_step` aborts the upload in the bucket.
"""

import json
import logging
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import oss2

from sonic_core.progress import OnStep
from sonic_core.storage.crc64 import combine, crc64
from sonic_core.storage.oss_bucket import CRC_HEADER
from sonic_core.storage.store import ChecksumError, ChecksumMissing, StorageError

logger = logging.getLogger(__name__)

_MAX_PARTS = 10_000
Call = Callable[[Callable[[], Any], str], Any]  # runs a request with retries: call(request, key)


def upload(
    bucket: oss2.Bucket,
    name: str,
    source: Path,
    headers: dict[str, str],
    part_size: int,
    call: Call,
    on_step: OnStep | None = None,
) -> int:
    """Uploads `source` as object `name` and returns its CRC64. Raises StorageError and its subclasses."""
    size = source.stat().st_size
    part_size = max(part_size, math.ceil(size / _MAX_PARTS))
    record = _Record(source, f"{bucket.bucket_name}/{name}", size, part_size)
    upload_id = record.upload_id if record.upload_id and _is_open(bucket, name, record.upload_id, call) else None
    if upload_id is None:
        upload_id = call(lambda: bucket.init_multipart_upload(name, headers=headers), name).upload_id
        record.start(upload_id)
    try:
        crc = _send_parts(bucket, name, source, upload_id, record, call, on_step)
        _complete(bucket, name, upload_id, record, headers, crc, size, call)
    except StorageError:
        raise  # the record stays: the next run goes on from the parts that arrived
    except BaseException:  # a cancel, also KeyboardInterrupt: leave nothing behind in the bucket
        record.forget()
        call(lambda: bucket.abort_multipart_upload(name, upload_id), name)
        raise
    record.forget()
    return crc


def _send_parts(
    bucket: oss2.Bucket, name: str, source: Path, upload_id: str, record: "_Record", call: Call, on_step: OnStep | None
) -> int:
    """Sends the parts that are not there yet; returns the CRC64 of the whole file."""
    whole = done = 0
    with open(source, "rb") as file:
        for number in range(1, math.ceil(record.size / record.part_size) + 1):
            if on_step:
                on_step(done, record.size)
            data = file.read(record.part_size)
            crc = crc64(data)
            whole, done = combine(whole, crc, len(data)), done + len(data)
            if record.parts.get(str(number), {}).get("crc64") == crc:
                continue
            result = call(lambda n=number, d=data: _send_part(bucket, name, upload_id, n, d), name)  # type: ignore[misc]
            record.add(number, result.etag, crc)
    if on_step:
        on_step(done, record.size)
    return whole


def _send_part(bucket: oss2.Bucket, name: str, upload_id: str, number: int, data: bytes) -> Any:
    result = bucket.upload_part(name, upload_id, number, data)
    check_crc(result.headers, crc64(data), f"part {number} of {name}")
    return result


def check_crc(headers: Any, crc: int, what: str) -> None:
    """Raises unless an answer's headers carry this CRC64; an absent one is an error too."""
    found = headers.get(CRC_HEADER)
    if found is None:
        raise ChecksumMissing(f"OSS named no CRC64 for {what}, so the transfer cannot be verified.")
    if int(found) != crc:
        raise ChecksumError(f"The transfer of {what} was damaged: OSS has CRC64 {found}, here it is {crc}.")


def _complete(
    bucket: oss2.Bucket,
    name: str,
    upload_id: str,
    record: "_Record",
    headers: dict[str, str],
    crc: int,
    size: int,
    call: Call,
) -> None:
    parts = [
        oss2.models.PartInfo(int(number), part["etag"]) for number, part in sorted(record.parts.items(), key=_number)
    ]
    try:
        check_crc(complete(bucket, name, upload_id, parts, headers, size, call), crc, name)
    except StorageError:
        # Nothing to resume: the parts are all there and completion was refused (or the result is wrong).
        record.forget()
        _abort_quietly(bucket, name, upload_id)
        raise


def complete(
    bucket: oss2.Bucket, name: str, upload_id: str, parts: list, headers: dict[str, str], size: int, call: Call
) -> Any:
    """Makes the object of its parts (PartInfo); the headers of OSS's answer."""
    overwrite = {"x-oss-forbid-overwrite": headers["x-oss-forbid-overwrite"]}
    tries = 0

    def send() -> Any:
        nonlocal tries
        tries += 1
        try:
            return bucket.complete_multipart_upload(name, upload_id, parts, headers=overwrite).headers
        except oss2.exceptions.ServerError as error:
            # An earlier try may have been carried out although its answer was lost: look before giving up.
            if tries == 1 or error.code not in ("NoSuchUpload", "FileAlreadyExists"):
                raise
            answer = bucket.head_object(name).headers
            if int(answer.get("Content-Length", -1)) != size:
                raise error from None
            return answer

    return call(send, name)


def _abort_quietly(bucket: oss2.Bucket, name: str, upload_id: str) -> None:
    try:
        bucket.abort_multipart_upload(name, upload_id)
    except oss2.exceptions.OssError as error:
        logger.info("an upload of %s was not aborted (%s); the bucket's lifecycle will", name, error.status)


def _is_open(bucket: oss2.Bucket, name: str, upload_id: str, call: Call) -> bool:
    try:
        call(lambda: bucket.list_parts(name, upload_id, max_parts=1), name)
    except StorageError:
        return False
    return True


def _number(item: tuple[str, Any]) -> int:
    return int(item[0])


class _Record:
    """What has been uploaded so far, in a JSON file beside the source; ignored when the source has changed."""

    def __init__(self, source: Path, target: str, size: int, part_size: int):
        self._path = source.with_name(f".{source.name}.upload.json")
        self._identity = [target, size, source.stat().st_mtime_ns, part_size]
        self.size = size
        self.part_size = part_size
        self.upload_id: str | None = None
        self.parts: dict[str, dict] = {}
        try:
            stored = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return
        if isinstance(stored, dict) and stored.get("identity") == self._identity:
            self.upload_id, self.parts = stored["upload_id"], stored["parts"]

    def start(self, upload_id: str) -> None:
        self.upload_id, self.parts = upload_id, {}
        self._save()

    def add(self, number: int, etag: str, crc: int) -> None:
        self.parts[str(number)] = {"etag": etag, "crc64": crc}
        self._save()

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)

    def _save(self) -> None:
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps({"identity": self._identity, "upload_id": self.upload_id, "parts": self.parts}))
        os.replace(temporary, self._path)
