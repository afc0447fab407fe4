"""Jobs started by the store itself: a new audio object under `inputs/` with a sidecar JSON becomes a job.

OSS tells us through a function, EventBridge or an MNS push (base64 or plain body, `{"events": [...]}`), which
carries the token in SONIC_EVENTS_TOKEN: as a bearer token, or as `?token=`, for MNS sends no header of ours. For
`inputs/<user>/<job>/x.wav` the sidecar `inputs/<user>/<job>/job.json` says `{"image": name, "consent": id,
"settings": {...}}`, with `"video": name` in place of `image` where a video is dubbed. An event may come twice: the
job's id is the folder's name.
"""

import base64
import binascii
import hmac
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from fastapi import APIRouter, HTTPException, Request
from starlette.concurrency import run_in_threadpool

from sonic_core.errors import InputError, SonicError
from sonic_core.fleet.strict_json import parse_json
from sonic_core.fleet.submission import find_objects, submit
from sonic_core.ledger.jobs import Job
from sonic_core.ledger.ledger import Ledger
from sonic_core.media.file_type import SOUND_SUFFIXES, VIDEO_SUFFIXES
from sonic_core.service.middleware import MAX_SMALL_BODY
from sonic_core.service.models import JobSettings, Strict, given_settings, read
from sonic_core.storage.keys import input_key
from sonic_core.storage.scratch import scratch_folder
from sonic_core.storage.store import StorageError
from sonic_core.storage.stores import Stores

logger = logging.getLogger(__name__)

_AUDIO = (*SOUND_SUFFIXES, *VIDEO_SUFFIXES)


def router(ledger: Ledger, stores: Stores, announce: Callable[[Job], None]) -> APIRouter:
    routes = APIRouter()

    @routes.post("/storage-events", include_in_schema=False)
    async def receive(request: Request) -> dict[str, Any]:
        token = os.environ.get("SONIC_EVENTS_TOKEN", "")
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            given = request.query_params.get("token", "")
        if not token or not hmac.compare_digest(given.encode(), token.encode()):
            raise HTTPException(401, "Storage events need the token of SONIC_EVENTS_TOKEN.")
        keys = created_keys(await request.body())
        return await run_in_threadpool(start_jobs, ledger, stores, announce, keys)

    return routes


def start_jobs(ledger: Ledger, stores: Stores, announce: Callable[[Job], None], keys: list[str]) -> dict[str, Any]:
    """Starts what can be started. A mistake of the uploader is answered, not raised: repeating would not mend it."""
    started, refused = [], {}
    for key in keys:
        if not is_audio(key):
            continue
        try:
            found = start_job(ledger, stores, key)
        except StorageError as error:
            logger.warning("storage event for %s: %s", key, error)
            raise  # the sender repeats
        except SonicError as error:
            refused[key] = str(error)
            continue
        if found is None:
            continue
        job, new = found
        started.append(job.id)
        if new:
            announce(job)
    return {"started": started, "refused": refused}


def start_job(ledger: Ledger, stores: Stores, key: str) -> tuple[Job, bool] | None:
    """The job of a new sound, and whether it is new; None for a video that waits for the sound it is dubbed with."""
    _, user, job_id, _ = key.split("/")
    sidecar = _read_sidecar(stores, input_key(user, job_id, "job.json"))
    if sidecar.video is not None and key == input_key(user, job_id, sidecar.video):
        return None
    if (known := ledger.find(job_id)) is not None and known.user == user:
        return known, False
    named = {"image": sidecar.image, "video": sidecar.video}
    keys = {kind: input_key(user, job_id, name) for kind, name in named.items() if name is not None}
    settings = given_settings(sidecar.settings)
    materials = find_objects(stores, user, {"audio": key, **keys}, settings)
    return submit(ledger, job_id=job_id, user=user, materials=materials, consent_id=sidecar.consent, settings=settings)


def is_audio(key: str) -> bool:
    return key.startswith("inputs/") and key.count("/") == 3 and key.lower().endswith(_AUDIO)


def created_keys(body: bytes) -> list[str]:
    """The keys of created objects in a notification: OSS events, EventBridge's CloudEvents, plain or base64."""
    return [unquote(key) for key in _keys(_parsed(body))]


def _parsed(body: bytes) -> Any:
    try:
        text = body if body.lstrip()[:1] in (b"{", b"[") else base64.b64decode(body, validate=True)
    except (ValueError, binascii.Error):
        raise InputError("The storage event is not JSON.") from None
    return parse_json(text, "storage event")


def _keys(parsed: Any) -> Iterator[str]:
    if isinstance(parsed, list):
        for item in parsed:
            yield from _keys(item)
    elif isinstance(parsed, dict):
        if isinstance(parsed.get("events"), list):
            yield from _keys(parsed["events"])
            return
        if isinstance(parsed.get("Message"), str):  # MNS' envelope in its JSON format
            yield from _keys(_parsed(parsed["Message"].encode()))
            return
        oss = _inside(parsed, "oss") or _inside(_inside(parsed, "data"), "oss")
        key = _inside(oss, "object").get("key")
        name = str(parsed.get("eventName") or parsed.get("type") or "")
        if isinstance(key, str) and "ObjectCreated" in name:
            yield key


def _inside(value: dict[str, Any], name: str) -> dict[str, Any]:
    """An object in an object; empty where there is none."""
    found = value.get(name)
    return found if isinstance(found, dict) else {}


class Sidecar(Strict):
    """What `job.json` says."""

    image: str | None = None
    video: str | None = None
    consent: str
    settings: JobSettings = JobSettings()  # type: ignore[valid-type]


def _read_sidecar(stores: Stores, key: str) -> Sidecar:
    with scratch_folder() as folder:
        path = folder / "job.json"
        stores.inputs.get(key, path, max_bytes=MAX_SMALL_BODY)
        return read(Sidecar, parse_json(path.read_bytes(), f"sidecar {key}"))
