"""Uploads from the browser straight to the store: a signed link for one object of one size and one type.

A link holds for an hour, and its place counts as an active job until a job uses the object (`{"key": ...}`) or the hour
is over; then the sweeper deletes what nobody used. A folder store receives the upload here.
"""

import uuid
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.responses import Response

from sonic_core.errors import InputError
from sonic_core.fleet.submission import MAX_BYTES
from sonic_core.ledger.reservations import reserve
from sonic_core.service.answers import Answer
from sonic_core.service.context import Service
from sonic_core.service.intake import in_thread, storing_thread
from sonic_core.service.models import UploadBody, check_upload_size, read
from sonic_core.service.upload import UPLOAD_SECONDS, Form, receive, save_exactly
from sonic_core.storage.folder import FolderStore
from sonic_core.storage.keys import input_key
from sonic_core.storage.scratch import scratch_folder

LINK_SECONDS = 3600


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["assets"])
    stores = service.stores
    User = Annotated[str, Depends(service.user)]

    @routes.post("/uploads", status_code=201)
    async def create(request: Request, who: User) -> Response:
        """A link to send a photo or a voice straight to the store; start the job with its key afterwards."""
        async with receive(request, Form((), (), ())) as received:
            given = read(UploadBody, received.fields)
        check_upload_size(given, MAX_BYTES[given.kind])
        upload = f"upload-{uuid.uuid4().hex}"
        await in_thread(reserve, service.ledger, who, upload, service.limits, LINK_SECONDS)
        key = input_key(who, upload, given.kind)

        def sign() -> dict[str, Any]:
            link = stores.inputs.sign_upload(
                key, size=given.size, content_type=given.content_type, seconds=LINK_SECONDS
            )
            return {"key": key, "expires": service.ledger.clock() + LINK_SECONDS, **vars(link)}

        return Answer(await in_thread(sign), 201)

    @routes.put("/uploads/{key:path}", include_in_schema=False)
    async def take(request: Request, key: str, expires: int, size: int, type: str, signature: str) -> Response:
        """Signed uploads to the folder store."""
        store = stores.inputs
        if not isinstance(store, FolderStore):
            raise HTTPException(404)
        try:
            store.verify_upload(key, expires, size, type, signature)
        except InputError as error:
            raise HTTPException(403, str(error)) from None
        if request.headers.get("content-type", "") != type:
            raise HTTPException(403, "The Content-Type is not the one that was signed.")
        with scratch_folder() as folder, anyio.fail_after(UPLOAD_SECONDS):
            path = folder / "upload"
            await save_exactly(request, path, size)
            await storing_thread(lambda: store.put(key, path, content_type=type))
        return Answer({"key": key}, 201)

    return routes
