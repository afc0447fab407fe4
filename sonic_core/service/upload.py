"""Reads what a request brings into a scratch folder: a form's known fields and files, or a small JSON body.

No part of a request names a place on disk: a file is saved under the name of its field, and only fields that the
endpoint knows are read. Knows no ledger and no store.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from fastapi import Request
from starlette.datastructures import UploadFile

from sonic_core.errors import InputError
from sonic_core.fleet.strict_json import parse_json
from sonic_core.fleet.submission import MAX_AUDIO_BYTES, MAX_IMAGE_BYTES, MAX_VIDEO_BYTES
from sonic_core.service.middleware import MAX_SMALL_BODY
from sonic_core.storage.scratch import scratch_folder

MAX_FORM = MAX_VIDEO_BYTES + MAX_IMAGE_BYTES + MAX_AUDIO_BYTES + (1 << 20)
UPLOAD_SECONDS = 900.0
_BLOCK = 1 << 20


@dataclass(frozen=True)
class RequestContents:
    """A request that has been read: plain values, and files by the name of their field."""

    fields: dict[str, Any]
    files: dict[str, Path]
    folder: Path


@dataclass(frozen=True)
class Form:
    """What a form may hold: files, fields of JSON, fields of text."""

    files: tuple[str, ...]
    json: tuple[str, ...]
    texts: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys((*self.files, *self.json, *self.texts)))


@asynccontextmanager
async def receive(request: Request, form: Form) -> AsyncIterator[RequestContents]:
    """Reads the body; what it brought lies in a scratch folder while the block runs.

    Raises InputError, and TimeoutError when the body takes longer than UPLOAD_SECONDS.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    with scratch_folder() as folder:
        with anyio.fail_after(UPLOAD_SECONDS):
            if kind == "multipart/form-data":
                received = await _read_form(request, folder, form)
            elif kind == "application/json":
                received = RequestContents(_object(await request.body()), {}, folder)
            else:
                raise InputError("Send multipart/form-data with files, or application/json with keys or URLs.")
        yield received


def _object(body: bytes) -> dict[str, Any]:
    fields = parse_json(body, "request")
    if not isinstance(fields, dict):
        raise InputError("The request must be an object of names and values.")
    return fields


async def _read_form(request: Request, folder: Path, form: Form) -> RequestContents:
    fields: dict[str, Any] = {}
    files: dict[str, Path] = {}
    limits = {"max_files": len(form.files), "max_fields": len(form.names), "max_part_size": MAX_SMALL_BODY}
    async with request.form(**limits) as given:
        for name, value in given.multi_items():
            if name not in form.names:
                known = ", ".join(form.names)
                raise InputError(
                    f"The form has a field {name[:60]!r} that the service does not know; it knows {known}."
                )
            if name in fields or name in files:
                raise InputError(f"The form has the field {name} twice.")
            if isinstance(value, UploadFile):
                if name not in form.files:
                    raise InputError(f"The field {name} must be text, not a file.")
                files[name] = folder / name
                await anyio.to_thread.run_sync(_save, value, files[name])
            elif name in form.json:
                if value.strip():
                    fields[name] = parse_json(value, f"field {name}")
            elif value:
                fields[name] = _text(value, name)
    return RequestContents(fields, files, folder)


async def save_exactly(request: Request, path: Path, size: int) -> None:
    """Writes a signed request's body to a new file. Raises InputError where it has not `size` bytes."""
    done = 0
    with open(path, "xb") as file:
        async for block in request.stream():
            done += len(block)
            if done > size:
                break
            file.write(block)
    if done != size:
        raise InputError(f"The upload is not the {size} bytes that were signed.")


def _save(upload: UploadFile, path: Path) -> None:
    with open(path, "xb") as file:
        shutil.copyfileobj(upload.file, file, _BLOCK)


def _text(value: str, name: str) -> str:
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise InputError(f"The field {name} holds half of a surrogate pair.")
    return value
