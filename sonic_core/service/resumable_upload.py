"""Uploads that go straight to the store in parts, and go on where they broke off: begin, send, ask, complete.

An upload's place counts as an active job until a job uses the object, for a day at most. The links hold for an hour;
asking gives new ones. The ledger knows what was announced, and the store alone knows which parts have come. A folder
store receives the parts here.
"""

import uuid
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.responses import Response

from sonic_core.errors import InputError, SonicError
from sonic_core.fleet.forget import discard_upload
from sonic_core.fleet.submission import MAX_BYTES, find_object
from sonic_core.ledger.reservations import PartedUpload, Reservation, find_upload, note_upload, reserve
from sonic_core.service.answers import Answer
from sonic_core.service.context import Service
from sonic_core.service.direct_upload import LINK_SECONDS
from sonic_core.service.intake import Intake, in_thread, storing_thread
from sonic_core.service.models import UploadBody, check_upload_size, read
from sonic_core.service.upload import UPLOAD_SECONDS, Form, receive, save_exactly
from sonic_core.storage.folder_parts import FolderParts
from sonic_core.storage.keys import input_key
from sonic_core.storage.scratch import scratch_folder
from sonic_core.storage.store import ObjectExists, ObjectNotFound, StorageError

PLACE_SECONDS = 24 * 3600
PART_BYTES = 5 << 20  # the least S3 takes; 52 parts for the largest sound


def sizes_of_parts(size: int) -> dict[int, int]:
    """Number to bytes of the parts of an upload of `size` bytes."""
    return {number: min(PART_BYTES, size - at) for number, at in enumerate(range(0, size, PART_BYTES), 1)}


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["assets"])
    ledger, stores = service.ledger, service.stores
    parts = stores.inputs.in_parts()
    User = Annotated[str, Depends(service.user)]

    @routes.post("/uploads/resumable", status_code=201)
    async def begin(request: Request, who: User) -> Response:
        """Begins an upload in parts: an id, and a link for each part."""
        async with receive(request, Form((), (), ())) as received:
            given = read(UploadBody, received.fields)
        check_upload_size(given, MAX_BYTES[given.kind])
        upload_id = f"upload-{uuid.uuid4().hex}"
        reservation = await in_thread(reserve, ledger, who, upload_id, service.limits, PLACE_SECONDS)
        assert reservation is not None  # no job has a new upload's id

        def open_upload() -> dict[str, Any]:
            key = input_key(who, upload_id, given.kind)
            name = parts.begin(key, given.content_type)
            return state(note_upload(ledger, reservation, PartedUpload(given.kind, given.size, key, name)))

        async with Intake(service).giving_up(reservation):
            return Answer(await in_thread(open_upload), 201, {"Location": f"/uploads/{upload_id}"})

    @routes.get("/uploads/{upload_id}")
    def ask(upload_id: str, who: User) -> dict[str, Any]:
        """Which parts have come, and links for those that have not. 404 once a job uses the object."""
        return state(own(who, upload_id))

    @routes.post("/uploads/{upload_id}/complete")
    async def complete(upload_id: str, who: User) -> dict[str, Any]:
        """Makes the object of the parts and looks at it as at any upload; start the job with its key afterwards."""
        return await storing_thread(finish, *await in_thread(own, who, upload_id))

    @routes.put("/uploads/parts/{key:path}", include_in_schema=False)
    async def take(
        request: Request, key: str, upload: str, number: int, size: int, expires: int, signature: str
    ) -> Response:
        """Signed parts to the folder store."""
        if not isinstance(parts, FolderParts):
            raise HTTPException(404)
        try:
            parts.verify(key, upload, number, size, expires, signature)
        except InputError as error:
            raise HTTPException(403, str(error)) from None
        with scratch_folder() as folder, anyio.fail_after(UPLOAD_SECONDS):
            path = folder / "part"
            await save_exactly(request, path, size)
            await storing_thread(parts.take, key, upload, number, path)
        return Answer({"number": number}, 201)

    def own(who: str, upload_id: str) -> tuple[Reservation, float, PartedUpload]:
        found = find_upload(ledger, who, upload_id)
        if found is None:
            raise HTTPException(404, f"You have no upload {upload_id[:100]!r} under way.")
        return found

    def state(found: tuple[Reservation, float, PartedUpload]) -> dict[str, Any]:
        place, expires, upload = found
        sizes = sizes_of_parts(upload.size)
        waiting = missing_parts(upload, sizes) or []
        seconds = max(1, min(LINK_SECONDS, int(expires - ledger.clock())))  # no part may come after its place
        links = {
            str(number): asdict(parts.sign(upload.key, upload.name, number, size=size, seconds=seconds))
            for number, size in sizes.items()
            if number in waiting
        }
        arrived = [number for number in sizes if number not in waiting]
        return {
            "id": place.job_id, "key": upload.key, "size": upload.size, "part_size": PART_BYTES,
            "arrived": arrived, "parts": links, "expires": expires, "links_expire": ledger.clock() + seconds,
        }  # fmt: skip

    def missing_parts(upload: PartedUpload, sizes: dict[int, int]) -> list[int] | None:
        """The numbers of the parts that do not lie in the store whole; None where the object is made already."""
        try:
            arrived = parts.arrived(upload.key, upload.name)
        except ObjectNotFound:
            stores.inputs.head(upload.key)
            return None
        return [number for number, size in sizes.items() if arrived.get(number) != size]

    def finish(place: Reservation, expires: float, upload: PartedUpload) -> dict[str, Any]:
        sizes = sizes_of_parts(upload.size)
        missing = missing_parts(upload, sizes)
        if missing:
            raise InputError(f"Of {len(sizes)} parts {len(missing)} have not come, the first is {missing[0]}.")
        if missing is not None:  # or an earlier request made the object, and its answer was lost
            with suppress(ObjectExists):  # made by another request just now
                parts.complete(upload.key, upload.name)
        try:
            facts = find_object(stores, place.user, upload.kind, upload.key)
            if facts["size"] != upload.size:
                raise InputError(f"The upload has {facts['size']} bytes, not the {upload.size} it was begun with.")
        except StorageError:
            raise  # asking again may help
        except SonicError:
            discard_upload(ledger, stores, place)
            raise
        names = ("size", "format", "width", "height", "seconds")
        return {"key": upload.key, "kind": upload.kind, **{name: facts[name] for name in names if name in facts}}

    return routes
