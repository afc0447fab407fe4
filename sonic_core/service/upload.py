"""Turns a request to the service into a job: multipart files, or keys and URLs in JSON; consent and limits first."""

import hashlib
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from sonic_core.errors import InputError, SettingsError
from sonic_core.fleet.submission import (
    MAX_AUDIO_BYTES,
    MAX_IMAGE_BYTES,
    Materials,
    find_objects,
    parse_settings,
    store_files,
    submit,
)
from sonic_core.fleet.webhooks import check_webhook
from sonic_core.ledger.consents import make_consent, record_consent
from sonic_core.ledger.jobs import Job, new_job_id
from sonic_core.ledger.ledger import Ledger
from sonic_core.service import api_keys
from sonic_core.storage.https import fetch
from sonic_core.storage.keys import sanitize_name
from sonic_core.storage.stores import Stores

MAX_BODY = MAX_IMAGE_BYTES + MAX_AUDIO_BYTES + (1 << 20)

_CONSENT = {
    "type": "object",
    "required": ["agreed", "subject", "purpose"],
    "properties": {
        "agreed": {"type": "boolean", "description": "must be true"},
        "subject": {"type": "string", "description": "a pseudonym of the person shown"},
        "subject_is_user": {"type": "boolean"},
        "purpose": {"type": "string"},
        "expires": {"type": "number", "description": "seconds since 1970"},
    },
}
_COMMON = {
    "consent": _CONSENT,
    "settings": {"type": "object", "description": "names and values of settings, with preset and label"},
    "webhook": {"type": "string", "format": "uri"},
}
_SOURCE = {
    "type": "object",
    "description": "one of key (below inputs/<user>/) and url (https)",
    "properties": {"key": {"type": "string"}, "url": {"type": "string", "format": "uri"}},
}
_FILE = {"type": "string", "format": "binary"}
_NEEDED = ["image", "audio", "consent"]
OPENAPI_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object", "required": _NEEDED, "properties": {"image": _FILE, "audio": _FILE, **_COMMON}
                }
            },
            "application/json": {
                "schema": {
                    "type": "object", "required": _NEEDED,
                    "properties": {"image": _SOURCE, "audio": _SOURCE, **_COMMON},
                }
            },
        },
    }
}  # fmt: skip


@dataclass(frozen=True)
class Given:
    """A request that has been read: files on disk, or sources to find."""

    fields: dict[str, Any]
    files: dict[str, Path]
    folder: Path


@asynccontextmanager
async def receive(request: Request) -> AsyncIterator[Given]:
    """Reads the body; uploaded files lie in a temporary folder while the block runs."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    with tempfile.TemporaryDirectory(prefix="sonic-upload-") as name:
        folder, files = Path(name), {}
        if kind == "multipart/form-data":
            fields: dict[str, Any] = {}
            try:
                async with request.form(max_files=2, max_fields=8, max_part_size=64 << 10) as form:
                    for field, value in form.items():
                        if isinstance(value, UploadFile):
                            files[field] = await _save(value, folder / field)
                        else:
                            fields[field] = _json(value) if field in ("consent", "settings") else value
            except MultiPartException as error:
                raise InputError(f"The form cannot be read: {error.message}") from None
        elif kind == "application/json":
            fields = _json((await request.body()).decode("utf-8", "replace"))
        else:
            raise InputError("Send multipart/form-data with files, or application/json with keys or URLs.")
        if not isinstance(fields, dict):
            raise InputError("The request must be an object.")
        yield Given(fields, files, folder)


@dataclass(frozen=True)
class Intake:
    """Accepts requests of a user."""

    ledger: Ledger
    stores: Stores
    limits: api_keys.Limits

    def accept(self, user: str, given: Given, idempotency_key: str | None) -> tuple[Job, bool]:
        """(the job, whether it is new). Raises SonicError kinds, one sentence each."""
        job_id = new_job_id()
        if idempotency_key:
            job_id = "i-" + hashlib.sha256(f"{user}\n{idempotency_key}".encode()).hexdigest()[:40]
            known = self.ledger.find(job_id)
            if known is not None:
                return known, False
        settings = parse_settings(given.fields.get("settings") or {})
        consent = _consent(given.fields.get("consent"))
        make_consent(user, sources=[], **consent)  # refused before anything is stored
        webhook = given.fields.get("webhook") or None
        if webhook is not None:
            check_webhook(str(webhook))
        api_keys.check_limits(self.ledger, user, self.limits)
        materials = self._materials(user, job_id, given)
        sources = [m["sha256"] for m in (materials.image, materials.audio) if "sha256" in m]
        record = record_consent(self.ledger.engine, user, sources=sources, **consent)
        return submit(
            self.ledger, job_id=job_id, user=user, materials=materials, consent_id=record.id,
            settings=settings, webhook=webhook,
        )  # fmt: skip

    def _materials(self, user: str, job_id: str, given: Given) -> Materials:
        sources = {name: given.fields.get(name) for name in ("image", "audio")}
        if all(isinstance(s, dict) and "key" in s for s in sources.values()):
            return find_objects(self.stores, user, str(sources["image"]["key"]), str(sources["audio"]["key"]))  # type: ignore[index]
        files = dict(given.files)
        for name, limit in (("image", MAX_IMAGE_BYTES), ("audio", MAX_AUDIO_BYTES)):
            source = sources[name]
            if name in files:
                continue
            if not isinstance(source, dict) or not isinstance(source.get("url"), str):
                raise InputError(f"There is no {name}: send a file, or {{'url': ...}}, or keys for both.")
            suffix = Path(sanitize_name(source["url"].partition("?")[0])).suffix
            files[name] = given.folder / f"{name}{suffix}"
            fetch(source["url"], files[name], limit)
        return store_files(self.stores, user, job_id, files["image"], files["audio"])


def _consent(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict) or given.get("agreed") is not True:
        raise InputError("A job needs the consent of the person shown: send consent with agreed, subject and purpose.")
    expires = given.get("expires")
    if expires is not None and not isinstance(expires, int | float):
        raise InputError("The consent's expires must be a number of seconds since 1970.")
    return {
        "subject": str(given.get("subject", "")),
        "subject_is_user": given.get("subject_is_user") is True,
        "purpose": str(given.get("purpose", "")),
        "expires": expires,
    }


async def _save(upload: UploadFile, stem: Path) -> Path:
    path = stem.with_name(stem.name + Path(sanitize_name(upload.filename or "")).suffix)
    with open(path, "wb") as file:
        while block := await upload.read(1 << 20):
            file.write(block)
    return path


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise SettingsError("A part of the request that should be JSON is not.") from None
