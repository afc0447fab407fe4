"""The HTTP service: jobs in, progress and links out, one page for people, probes and metrics for machines.

`make_app` builds it over a ledger, stores and perhaps a broker. Videos never pass through it when they lie in
OSS: it redirects to signed links. Knows no engine.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool

from sonic_core.errors import InputError, SonicError
from sonic_core.fleet.sweeper import Queue, QueueError, publish
from sonic_core.ledger.jobs import FINAL, Job
from sonic_core.ledger.ledger import Ledger
from sonic_core.service import api_keys, metrics, storage_events
from sonic_core.service.middleware import BodyLimit, SecurityHeaders, same_site
from sonic_core.service.upload import MAX_BODY, OPENAPI_BODY, Intake, receive
from sonic_core.storage.folder import FolderStore
from sonic_core.storage.store import ObjectNotFound, StorageError
from sonic_core.storage.stores import Stores

logger = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
_EVENT_SECONDS = 0.5
_EVENT_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # proxies must not hold events back
LOCAL_USER = "local"


@dataclass(frozen=True)
class Service:
    """What the endpoints work on. `local`: no API key is asked of this very machine (serve --all-in-one)."""

    ledger: Ledger
    stores: Stores
    queue: Queue | None = None
    limits: api_keys.Limits = field(default_factory=api_keys.Limits)
    local: bool = False

    def announce(self, job: Job) -> None:
        """Tells the broker; when it is down the sweeper will."""
        if self.queue is not None:
            try:
                publish(self.ledger, self.queue, job.id)
            except QueueError as error:
                logger.warning("job %s waits in the ledger: the broker does not answer (%s)", job.id, error)


def make_app(service: Service) -> FastAPI:
    app = FastAPI(title="Sonic Studio", version="1", description="Make a portrait photo speak.")
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY)
    app.add_middleware(SecurityHeaders)
    app.add_exception_handler(SonicError, _explain)
    app.mount("/static", StaticFiles(directory=PAGE), name="static")
    ledger, stores = service.ledger, service.stores

    def user(request: Request) -> str:
        """The user whose API key came along; on this very machine none is needed in local mode."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        key = key if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
        if key:
            found = api_keys.user_of(ledger, key.strip())
            if found is None:
                raise HTTPException(401, "The API key is not known.")
            return found
        if service.local and same_site(request):
            return LOCAL_USER
        raise HTTPException(401, "Send an API key: Authorization: Bearer <key>.", {"WWW-Authenticate": "Bearer"})

    User = Annotated[str, Depends(user)]

    def own(job_id: str, who: str) -> Job:
        job = ledger.find(job_id)
        if job is None or job.user != who:
            raise HTTPException(404, f"There is no job {job_id[:100]!r}.")
        return job

    @app.post("/jobs", status_code=202, openapi_extra=OPENAPI_BODY)
    async def create(request: Request, who: User) -> JSONResponse:
        """Starts a job from uploaded files, keys or https URLs. The same Idempotency-Key gives the same job."""
        intake = Intake(ledger, stores, service.limits)
        async with receive(request) as given:
            job, new = await run_in_threadpool(intake.accept, who, given, request.headers.get("idempotency-key"))
        if new:
            await run_in_threadpool(service.announce, job)
        return JSONResponse(view(job), 202 if new else 200, {"Location": f"/jobs/{job.id}"})

    @app.get("/jobs")
    def listing(who: User, limit: int = 50) -> list[dict[str, Any]]:
        return [view(job) for job in ledger.find_all(user=who, limit=min(max(limit, 1), 200))]

    @app.get("/jobs/{job_id}")
    def show(job_id: str, who: User) -> dict[str, Any]:
        return view(own(job_id, who))

    @app.get("/jobs/{job_id}/events")
    async def watch(job_id: str, who: User) -> StreamingResponse:
        """Server-sent events: the job as JSON whenever it changes, until it ends."""
        await run_in_threadpool(own, job_id, who)
        return StreamingResponse(_events(ledger, job_id), media_type="text/event-stream", headers=_EVENT_HEADERS)

    @app.delete("/jobs/{job_id}")
    def cancel(job_id: str, who: User) -> dict[str, Any]:
        """Cancels a job; of one that has ended, deletes the inputs and the video."""
        job = own(job_id, who)
        if job.state in FINAL:
            api_keys.delete_objects(job, stores)
        return view(ledger.cancel(job_id))

    @app.get("/jobs/{job_id}/video")
    def video(job_id: str, who: User) -> RedirectResponse:
        """Redirects to a signed link that expires."""
        return RedirectResponse(link(own(job_id, who), None), 307)

    @app.get("/jobs/{job_id}/link")
    def video_link(job_id: str, who: User) -> dict[str, str]:
        """The signed links themselves, to play and to download, for a page that cannot send a header with <video>."""
        job = own(job_id, who)
        return {"play": link(job, None), "download": link(job, f"{job.id}.mp4")}

    def link(job: Job, filename: str | None) -> str:
        if job.output is None:
            raise HTTPException(409, f"The job is {job.state}; there is no video yet.")
        try:
            stores.outputs.head(job.output["key"])
        except ObjectNotFound:
            raise HTTPException(410, "The video has been deleted.") from None
        return stores.outputs.sign(job.output["key"], seconds=stores.link_seconds, filename=filename)

    @app.delete("/consents/{consent_id}")
    def revoke(consent_id: str, who: User) -> dict[str, Any]:
        """Revokes a consent: its jobs end, their inputs and videos are deleted."""
        return {"id": consent_id, "jobs": api_keys.revoke_consent(ledger, stores, consent_id, who)}

    @app.get("/files/{key:path}", include_in_schema=False)
    def files(key: str, expires: int, signature: str, filename: str = "") -> FileResponse:
        """Signed links of the folder store."""
        if not isinstance(stores.outputs, FolderStore):
            raise HTTPException(404)
        try:
            path = stores.outputs.verify_link(key, expires, filename, signature)
        except InputError as error:
            raise HTTPException(403, str(error)) from None
        kind = "attachment" if filename else "inline"
        media_type = stores.outputs.meta(key)["content_type"]
        return FileResponse(path, media_type=media_type, filename=filename or path.name, content_disposition_type=kind)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready")
    def ready() -> JSONResponse:
        """503 when no worker has been heard of for a minute, or the queue is full."""
        workers, queued = len(ledger.live_workers()), ledger.counts(("queued",))["queued"]
        reason = "no worker" if not workers else "queue full" if queued >= service.limits.queued_jobs else None
        body = {"ready": reason is None, "reason": reason, "workers": workers, "queued": queued}
        return JSONResponse(body, 503 if reason else 200)

    @app.get("/metrics", response_class=PlainTextResponse)
    def prometheus() -> str:
        return metrics.render(ledger)

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/session", include_in_schema=False)
    def session(request: Request) -> dict[str, bool]:
        """Whether the page must ask for an API key."""
        return {"key_needed": not (service.local and same_site(request))}

    app.include_router(storage_events.router(ledger, stores, service.announce))
    return app


def view(job: Job) -> dict[str, Any]:
    """What a caller sees of a job."""
    names = ("id", "state", "stage", "progress", "attempt", "created", "started", "finished", "error", "settings",
             "timings", "consent_id", "batch")  # fmt: skip
    size = job.output["size"] if job.output else None
    return {**{name: getattr(job, name) for name in names}, "bytes": size}


async def _events(ledger: Ledger, job_id: str) -> AsyncIterator[str]:
    last = None
    while True:
        job = await run_in_threadpool(ledger.get, job_id)
        text = json.dumps(view(job))
        # A comment keeps proxies from closing a silent connection.
        yield f"event: job\ndata: {text}\n\n" if text != last else ": waiting\n\n"
        if job.state in FINAL:
            return
        last = text
        await asyncio.sleep(_EVENT_SECONDS)


async def _explain(request: Request, error: Exception) -> JSONResponse:
    status = 429 if isinstance(error, api_keys.LimitError) else 503 if isinstance(error, StorageError) else 400
    if isinstance(error, ObjectNotFound):
        status = 404
    return JSONResponse({"detail": str(error)}, status)
