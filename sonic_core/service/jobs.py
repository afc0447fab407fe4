"""Routes of jobs: start, list, show, watch, cancel and delete, retry, the video and its links."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import anyio
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from sonic_core.fleet.forget import forget_job
from sonic_core.fleet.submission import video_name
from sonic_core.fleet.tracing import span
from sonic_core.ledger.consents import find_consent
from sonic_core.ledger.database import autocommit
from sonic_core.ledger.jobs import FINAL, Job
from sonic_core.ledger.listing import Filter, list_jobs
from sonic_core.service.answers import Answer
from sonic_core.service.context import Service
from sonic_core.service.intake import Gone, Intake
from sonic_core.service.openapi import JOB_BODY
from sonic_core.storage.keys import thumbnail_key
from sonic_core.storage.scratch import scratch_folder
from sonic_core.storage.store import ObjectNotFound

_EVENT_SECONDS = 0.5
_MAX_THUMBNAIL = 1 << 20
_EVENT_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # proxies must not hold events back


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["jobs"])
    ledger, stores = service.ledger, service.stores
    User = Annotated[str, Depends(service.user)]

    @routes.post("/jobs", status_code=202, openapi_extra=JOB_BODY)
    async def create(request: Request, who: User) -> Response:
        """Starts a job from uploaded files, keys, assets or https URLs. The same Idempotency-Key gives the same job."""
        try:
            with span("accept job"):
                job, new = await Intake(service).accept(request, who)
        except Gone:
            return Response(status_code=499)
        if new:
            await run_in_threadpool(service.announce, job)
        return Answer(view(job), 202 if new else 200, {"Location": f"/jobs/{job.id}"})

    @routes.get("/jobs")
    def listing(
        who: User,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=10**9, description="at most 200")] = 50,
        cursor: Annotated[str | None, Query(max_length=400, description="from X-Next-Cursor")] = None,
        state: Literal["queued", "running", "done", "failed", "cancelled"] | None = None,
        subject: Annotated[str | None, Query(max_length=200)] = None,
        batch: Annotated[str | None, Query(max_length=80)] = None,
        since: Annotated[float | None, Query(ge=0, le=1e12, description="seconds since 1970")] = None,
        until: Annotated[float | None, Query(ge=0, le=1e12)] = None,
    ) -> Response:
        """Your jobs, newest first. X-Next-Cursor (and Link) lead to the next page; without it there is none."""
        chosen = Filter(state, subject, batch, since, until)
        found, after = list_jobs(ledger, who, chosen, min(limit, 200), cursor)
        headers = {}
        if after is not None:
            query = urlencode(
                [(k, v) for k, v in request.query_params.multi_items() if k != "cursor"] + [("cursor", after)]
            )
            headers = {"X-Next-Cursor": after, "Link": f'</jobs?{query}>; rel="next"'}
        return Answer([view(job) for job in found], 200, headers)

    @routes.get("/jobs/{job_id}")
    def show(job_id: str, who: User) -> dict[str, Any]:
        return view(service.own(job_id, who))

    @routes.get("/jobs/{job_id}/events")
    async def watch(job_id: str, who: User) -> StreamingResponse:
        """Server-sent events: the job as JSON whenever it changes, until it ends."""
        await run_in_threadpool(service.own, job_id, who)
        service.streams.check(who)  # before the answer's status is sent
        return StreamingResponse(_events(service, job_id, who), media_type="text/event-stream", headers=_EVENT_HEADERS)

    @routes.delete("/jobs/{job_id}")
    def delete(job_id: str, who: User) -> dict[str, Any]:
        """Cancels a job that is under way, and deletes its video and the inputs that no other job uses."""
        service.own(job_id, who)
        forget_job(ledger, stores, job_id)
        return view(ledger.get(job_id))

    @routes.post("/jobs/{job_id}/retry", status_code=202)
    def retry(job_id: str, who: User) -> JSONResponse:
        """Queues a failed job again."""
        service.own(job_id, who)
        job = ledger.retry(job_id)
        service.announce(job)
        return Answer(view(job), 202)

    @routes.get("/jobs/{job_id}/video")
    def video(job_id: str, who: User) -> RedirectResponse:
        """Redirects to a signed link that expires."""
        return RedirectResponse(link(service.own(job_id, who), None), 307)

    @routes.get("/jobs/{job_id}/link")
    def video_link(job_id: str, who: User) -> dict[str, str]:
        """The signed links themselves, to play and to download, for a page that cannot send a header with <video>."""
        job = service.own(job_id, who)
        return {"play": link(job, None), "download": link(job, f"{job.id}{Path(video_name(job.settings)).suffix}")}

    @routes.get("/jobs/{job_id}/thumbnail", response_class=Response)
    def thumbnail(job_id: str, who: User) -> Response:
        """A small JPEG of the photo or video. 404 where it was not uploaded with the job, or is gone."""
        job = service.own(job_id, who)
        with scratch_folder() as folder:
            stores.inputs.get(thumbnail_key(job.user, job.id), folder / "thumbnail", max_bytes=_MAX_THUMBNAIL)
            picture = (folder / "thumbnail").read_bytes()
        return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "private, no-store"})

    def link(job: Job, filename: str | None) -> str:
        if job.output is None:
            raise HTTPException(409, f"The job is {job.state}; there is no video yet.")
        seconds = link_seconds(service, job)
        try:
            stores.outputs.head(job.output["key"])
        except ObjectNotFound:
            raise HTTPException(410, "The video has been deleted.") from None
        return stores.outputs.sign(job.output["key"], seconds=seconds, filename=filename)

    return routes


def link_seconds(service: Service, job: Job) -> int:
    """How long a link to a job's result may hold, in seconds. Raises 410 where nobody may see it any more."""
    ledger = service.ledger
    with autocommit(ledger.engine) as connection:
        consent = find_consent(connection, job.consent_id)
    if consent is not None and consent.expires is not None and consent.expires <= ledger.clock():
        raise HTTPException(410, "The consent has expired, and the video with it.")
    if job.forgotten is not None or consent is None or consent.revoked is not None:
        raise HTTPException(410, "The video has been deleted.")
    if consent.expires is None:
        return service.stores.link_seconds
    return max(1, min(service.stores.link_seconds, int(consent.expires - ledger.clock())))


def view(job: Job) -> dict[str, Any]:
    """What a caller sees of a job."""
    names = ("id", "name", "state", "stage", "progress", "attempt", "created", "started", "finished", "error",
             "settings", "timings", "consent_id", "batch")  # fmt: skip
    picture = job.inputs.get("video") or job.inputs.get("image", {})
    audio = job.inputs.get("audio", {})
    return {
        **{name: getattr(job, name) for name in names},
        "bytes": job.output["size"] if job.output else None,
        "seconds": audio.get("seconds"),
        "photo": [picture["width"], picture["height"]] if "width" in picture else None,
        "dubs": "video" in job.inputs,
        "gigapixels": round(job.cost / 1e9, 3),
        "deleted": job.forgotten is not None,
    }


async def _events(service: Service, job_id: str, user: str) -> AsyncIterator[str]:
    last = None
    with service.streams.take(user):
        while not service.stop.is_set():
            job = await run_in_threadpool(service.ledger.get, job_id)
            text = json.dumps(view(job))
            # A comment keeps proxies from closing a silent connection.
            yield f"event: job\ndata: {text}\n\n" if text != last else ": waiting\n\n"
            if job.state in FINAL:
                return
            last = text
            await anyio.sleep(_EVENT_SECONDS)
