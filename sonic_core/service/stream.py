"""Serves the playlist of a job whose video is being made, with a signed link for every segment."""

import re
import time
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from starlette.responses import Response

from sonic_core.ledger.jobs import Job
from sonic_core.media.hls import INIT, PLAYLIST
from sonic_core.service.context import Service
from sonic_core.service.jobs import link_seconds
from sonic_core.storage.keys import output_key
from sonic_core.storage.scratch import scratch_folder
from sonic_core.storage.store import ChecksumError, ObjectNotFound
from sonic_core.storage.stores import Stores

MAX_PLAYLIST = 1 << 20
STEADY = 300  # seconds for which a segment's link stays the same, so that players and caches know it again
TYPE = "application/vnd.apple.mpegurl"


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["jobs"])
    User = Annotated[str, Depends(service.user)]

    @routes.get("/jobs/{job_id}/stream.m3u8", response_class=Response)
    def stream(job_id: str, who: User) -> Response:
        """The HLS playlist of a job under way or done: it plays from the first second made. 404 before there is one."""
        job = service.own(job_id, who)
        seconds = link_seconds(service, job)
        text = signed(playlist(service.stores, job), service.stores, job, seconds)
        return Response(text, media_type=TYPE, headers={"Cache-Control": "private, no-cache"})

    return routes


def playlist(stores: Stores, job: Job) -> str:
    """Return the playlist as the worker last stored it. Raises 404 if there is none."""
    if job.attempt < 1:
        raise HTTPException(404, f"The job is {job.state}; there is no stream yet.")
    key = output_key(job.user, job.id, job.attempt, PLAYLIST)
    with scratch_folder() as folder:
        target = folder / PLAYLIST
        try:
            try:
                stores.outputs.get(key, target, max_bytes=MAX_PLAYLIST)
            except ChecksumError:  # it was replaced while it was read
                time.sleep(0.05)
                stores.outputs.get(key, target, max_bytes=MAX_PLAYLIST)
        except ObjectNotFound:
            raise HTTPException(404, f"The job is {job.state}; there is no stream of it.") from None
        return target.read_text()


def signed(text: str, stores: Stores, job: Job, seconds: int) -> str:
    """Return the playlist with signed links in place of its relative names."""
    if seconds >= 2 * STEADY:
        seconds -= int(time.time()) % STEADY

    def link(name: str) -> str:
        return stores.outputs.sign(output_key(job.user, job.id, job.attempt, name), seconds=seconds)

    lines = [line if line.startswith("#") or not line else link(line) for line in text.splitlines()]
    return re.sub(f'URI="{re.escape(INIT)}"', lambda _: f'URI="{link(INIT)}"', "\n".join(lines)) + "\n"
