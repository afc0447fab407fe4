"""The HTTP service: jobs in, progress and links out, a page for people, probes and metrics for machines.

`make_app` joins the parts over a ledger, stores and, where there is one, a broker. Videos in a bucket never pass
through the service: it redirects to signed links. Knows no engine.
"""

from pathlib import Path

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, PlainTextResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.responses import JSONResponse, Response

from sonic_core.errors import InputError
from sonic_core.service import (
    answers,
    assets,
    consents,
    direct_upload,
    faces,
    jobs,
    live,
    metrics,
    resumable_upload,
    storage_events,
    stream,
)
from sonic_core.service.context import Service
from sonic_core.service.middleware import BodyLimit, SecurityHeaders, WellFormed
from sonic_core.service.upload import MAX_FORM
from sonic_core.storage.folder import FolderStore

PAGE = Path(__file__).parent / "page"


def make_app(service: Service) -> FastAPI:
    """The ASGI app. Every route that touches a user's data asks `service.user` who is calling."""
    app = FastAPI(title="Sonic Studio", version="1", description="Make a portrait photo speak.")
    app.add_middleware(BodyLimit, uploads=MAX_FORM)
    app.add_middleware(WellFormed)
    app.add_middleware(SecurityHeaders)  # outermost: on refusals, too
    answers.add_handlers(app)
    app.mount("/static", StaticFiles(directory=PAGE), name="static")
    app.include_router(jobs.router(service))
    app.include_router(stream.router(service))
    app.include_router(faces.router(service))
    app.include_router(assets.router(service))
    app.include_router(resumable_upload.router(service))  # first: its paths are the narrower
    app.include_router(direct_upload.router(service))
    if service.live is not None:
        app.include_router(live.router(service, service.live))
    app.include_router(consents.router(service))
    app.include_router(storage_events.router(service.ledger, service.stores, service.announce))
    _add_files(app, service)
    _add_probes(app, service)
    _add_page(app, service)
    return app


def _add_files(app: FastAPI, service: Service) -> None:
    @app.get("/files/{key:path}", include_in_schema=False)
    def files(key: str, expires: int, signature: str, filename: str = "") -> FileResponse:
        """Signed links of the folder store."""
        store = service.stores.outputs
        if not isinstance(store, FolderStore):
            raise HTTPException(404)
        try:
            path = store.verify_link(key, expires, filename, signature)
        except InputError as error:
            raise HTTPException(403, str(error)) from None
        kind = "attachment" if filename else "inline"
        media_type = store.meta(key)["content_type"]
        headers = {"Cache-Control": "private, no-store"}  # withdrawn material must not live on in a cache
        name = filename or path.name
        return FileResponse(path, media_type=media_type, filename=name, content_disposition_type=kind, headers=headers)


def _add_probes(app: FastAPI, service: Service) -> None:
    ledger = service.ledger

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Answers as long as this process lives. Waits for nothing."""
        return {"status": "ok"}

    @app.get("/ready")
    def ready() -> JSONResponse:
        """503 when no worker has reported for a minute, the queue is full, or a loop of this process is unhealthy."""
        workers, queued = len(ledger.live_workers()), ledger.counts(("queued",))["queued"]
        full = "queue full" if queued >= service.limits.queued_jobs else None
        reason = service.trouble() or (None if workers else "no worker") or full
        body = {"ready": reason is None, "reason": reason, "workers": workers, "queued": queued}
        return JSONResponse(body, 503 if reason else 200)

    @app.get("/metrics", response_class=PlainTextResponse)
    def prometheus() -> str:
        return metrics.render(ledger)


def _add_page(app: FastAPI, service: Service) -> None:
    door = service.local

    @app.get("/", include_in_schema=False)
    def page(request: Request) -> Response:
        if door is not None and door.opens(request):
            answer = RedirectResponse("/", 303)  # the secret leaves the address bar
            door.remember(answer)
            return answer
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})

    @app.get("/session", include_in_schema=False)
    def session(request: Request) -> dict[str, bool]:
        """Whether the page must ask for an API key, and may offer live talks."""
        admitted = door is not None and door.admits(request)
        return {"key_needed": not admitted, "local": door is not None, "live": service.live is not None}
