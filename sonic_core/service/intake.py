"""Turns a request into a job: a place is reserved first, then the material is read and stored, then the job is made.

If anything fails on the way, or the client leaves, the place is given up and what was stored is deleted. The same
Idempotency-Key gives the same job; with a different request it is refused. Knows the ledger, the stores, no routes.
"""

import hashlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from fastapi import Request
from sqlalchemy import Connection

from sonic_core.errors import InputError
from sonic_core.fleet.forget import discard_upload
from sonic_core.fleet.submission import (
    MAX_BYTES,
    PROBED_AS,
    Materials,
    check_kind,
    cost_of,
    facts_of,
    find_object,
    needed_sound,
    parse_settings,
    sha256_of,
    store_file,
    submit,
)
from sonic_core.fleet.webhooks import check_webhook
from sonic_core.ledger.assets import find_asset
from sonic_core.ledger.consents import Consent, make_consent
from sonic_core.ledger.database import autocommit
from sonic_core.ledger.jobs import Job, new_job_id
from sonic_core.ledger.reservations import Reservation, ReservedError, release_by_id, renew, reserve, take_place
from sonic_core.loop_limit import LoopLimit
from sonic_core.service.answers import MismatchError
from sonic_core.service.context import Service
from sonic_core.service.models import JobBody, NewConsent, Source, given_settings, read
from sonic_core.service.thumbnail import thumbnail
from sonic_core.service.upload import Form, RequestContents, receive
from sonic_core.storage.https import LOOKUPS, download
from sonic_core.storage.keys import input_key, thumbnail_key
from sonic_core.storage.stores import Stores

logger = logging.getLogger(__name__)

FORM = Form(
    ("image", "video", "audio", "background"),
    ("image", "video", "audio", "background", "consent", "settings", "priority"),
    ("consent_id", "webhook", "name"),
)
_RENEW_SECONDS = 15.0
_SAME_KEY_SECONDS = 10.0  # how long a repeated request waits for the first one to end
FETCH_SECONDS = 60.0
_LOOKUP_SECONDS = 10.0
STORING = LoopLimit("sonic-storing", 8)
T = TypeVar("T")


class Gone(Exception):
    """The client has left."""


@dataclass(frozen=True)
class Intake:
    """Accepts requests for jobs."""

    service: Service

    async def accept(self, request: Request, user: str) -> tuple[Job, bool]:
        """(the job, whether it is new). Raises subclasses of SonicError, with one sentence each, and Gone."""
        job_id = _job_id(user, request.headers.get("idempotency-key"))
        reservation = await self._reserve(user, job_id)
        if reservation is None:
            async with receive(request, FORM) as received:
                return await in_thread(self._known, job_id, received), False
        async with self.giving_up(reservation), receive(request, FORM) as received:
            return await _while_here(request, lambda: self._held(reservation, received))

    async def _reserve(self, user: str, job_id: str) -> Reservation | None:
        """A place for the job; None when the job exists. Waits a little for another request with the same key."""
        with anyio.move_on_after(_SAME_KEY_SECONDS):
            while True:
                try:
                    return await in_thread(reserve, self.service.ledger, user, job_id, self.service.limits)
                except ReservedError:
                    await anyio.sleep(0.25)
        return await in_thread(reserve, self.service.ledger, user, job_id, self.service.limits)

    def _known(self, job_id: str, received: RequestContents) -> Job:
        job = self.service.ledger.get(job_id)
        if job.digest is not None and job.digest != _digest_of(_read(received), received):
            raise MismatchError("This Idempotency-Key was used for another request; take a new one for this.")
        return job

    async def _held(self, reservation: Reservation, received: RequestContents) -> tuple[Job, bool]:
        """Make the job; its place is renewed meanwhile."""

        async def keep() -> None:
            await anyio.sleep(_RENEW_SECONDS)
            while await in_thread(renew, self.service.ledger, reservation):
                await anyio.sleep(_RENEW_SECONDS)
            raise ReservedError("The upload took too long and lost its place; send it again.")

        return await _beside(lambda: self._make(reservation, received), keep)

    async def _make(self, reservation: Reservation, received: RequestContents) -> tuple[Job, bool]:
        service, user, job_id = self.service, reservation.user, reservation.job_id
        given = _read(received)
        digest = await in_thread(_digest_of, given, received)
        settings = parse_settings(given_settings(given.settings))
        consent = consent_of(given.consent, user, service.ledger.clock()) if given.consent is not None else None
        if given.webhook is not None:
            await _look_up(given.webhook)
        found = await self._gather(reservation, given, received, settings)
        materials = Materials(**found)
        if consent is not None:
            sources = [facts["sha256"] for facts in found.values() if "sha256" in facts]
            consent = Consent(**{**vars(consent), "sources": sources})

        check_kind(materials, settings)
        cost = cost_of(materials, settings).pixels

        def check(connection: Connection) -> None:
            take_place(service.ledger, reservation, cost, service.limits, connection)
            release_by_id(connection, user, {facts["key"].split("/")[2] for facts in found.values()})

        def make() -> tuple[Job, bool]:
            return submit(
                service.ledger, job_id=job_id, user=user, materials=materials, settings=settings,
                consent_id=consent.id if consent is not None else str(given.consent_id), consent=consent,
                webhook=given.webhook, name=given.name, digest=digest, priority=given.priority,
                check=check,
            )  # fmt: skip

        return await in_thread(make)

    async def _gather(
        self, reservation: Reservation, given: JobBody, received: RequestContents, settings: dict[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """Fetch and store what the job is made of; returns what the ledger keeps, by the names of Materials."""
        sent = {kind for kind in FORM.files if getattr(given, kind) is not None or kind in received.files}
        needed = {"audio", *(() if "video" in sent else ("image",))}
        sources = {kind: getattr(given, kind) for kind in FORM.files if kind in sent | needed}
        by_url = any(source is not None and source.url is not None for source in sources.values())
        with self.service.fetches.take(reservation.user) if by_url else nullcontext():
            for kind, source in sources.items():
                await self._fetch(kind, source, received)
        until = needed_sound(settings, dubs="video" in sources)
        return {
            kind: await self._material(reservation, kind, source, received, until) for kind, source in sources.items()
        }

    async def _fetch(self, kind: str, source: Source | None, received: RequestContents) -> None:
        if kind in received.files:
            if source is not None:
                raise InputError(f"The {kind} comes as a file and by {{key, asset, url}}; give one of them.")
        elif source is None:
            raise InputError(f"There is no {kind}: send a file, or one of {{'url'}}, {{'key'}} and {{'asset'}}.")
        elif source.url is not None:
            path = received.folder / kind
            await download(source.url, path, MAX_BYTES[kind], FETCH_SECONDS)
            received.files[kind] = path

    async def _material(
        self,
        reservation: Reservation,
        kind: str,
        source: Source | None,
        received: RequestContents,
        until: float | None,
    ) -> dict[str, Any]:
        """Stores a photo or a sound; returns what the ledger keeps of it. `until`: see `facts_of`."""
        service, user = self.service, reservation.user
        if kind in received.files:
            path = received.files[kind]
            return await storing_thread(store_upload, service.stores, user, reservation.job_id, kind, path, until)
        assert source is not None, "_fetch refuses what is not given"
        if source.asset is not None:
            return await in_thread(self._asset, user, kind, source.asset)
        return await storing_thread(find_object, service.stores, user, kind, source.key, until)

    def _asset(self, user: str, kind: str, asset_id: str) -> dict[str, Any]:
        with autocommit(self.service.ledger.engine) as connection:
            asset = find_asset(connection, asset_id, user)
        if asset is None or asset.kind != PROBED_AS[kind]:
            raise InputError(f"You have no {kind} {asset_id[:100]!r}; upload it to /assets first.")
        return asset.facts

    @asynccontextmanager
    async def giving_up(self, reservation: Reservation) -> AsyncIterator[None]:
        """If its block raises or is cancelled, gives up the place and deletes what was stored for it."""
        try:
            yield
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._give_up(reservation)
            raise

    async def _give_up(self, reservation: Reservation) -> None:
        try:
            await in_thread(discard_upload, self.service.ledger, self.service.stores, reservation)
        except Exception as error:  # the place lapses, and the sweeper deletes what lies there
            logger.warning("upload %s was not cleaned up at once: %s", reservation.job_id, type(error).__name__)


def _job_id(user: str, idempotency_key: str | None) -> str:
    if idempotency_key is None:
        return new_job_id()
    if not 0 < len(idempotency_key) <= 255:
        raise InputError("The Idempotency-Key must have 1 to 255 characters.")
    return "i-" + hashlib.sha256(f"{user}\n{idempotency_key}".encode()).hexdigest()[:40]


def _read(received: RequestContents) -> JobBody:
    return read(JobBody, received.fields)


def _digest_of(given: JobBody, received: RequestContents) -> str:
    """A digest of every value and of the bytes of every file, the same for the same request."""
    files = {name: sha256_of(path) for name, path in sorted(received.files.items())}
    said = json.dumps([given.model_dump(mode="json", exclude_unset=True), files], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def consent_of(given: NewConsent, user: str, now: float) -> Consent:
    about = {"subject": given.subject, "subject_is_user": given.subject_is_user, "purpose": given.purpose}
    return make_consent(user, **about, sources=[], expires=given.expires, now=now)  # type: ignore[arg-type]


def store_upload(stores: Stores, user: str, job_id: str, kind: str, path: Path, until: float | None) -> dict[str, Any]:
    """Probes an uploaded file and stores it, a photo or video with a thumbnail; returns what the ledger keeps of it."""
    facts = facts_of(kind, path, until)
    stored = store_file(stores, input_key(user, job_id, f"{kind}-{kind}{suffix_of(facts)}"), path, facts)
    small = thumbnail(kind, path, facts) if kind in ("image", "video") else None
    if small is not None:
        stores.inputs.put(thumbnail_key(user, job_id), small, content_type="image/jpeg", overwrite=True)
    return stored


def suffix_of(facts: dict[str, Any]) -> str:
    """The extension of the file's actual type: its name in the request may be wrong."""
    return {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}.get(facts["format"].upper(), "")


async def _look_up(webhook: str) -> None:
    try:
        with anyio.fail_after(_LOOKUP_SECONDS):
            await anyio.to_thread.run_sync(check_webhook, webhook, abandon_on_cancel=True, limiter=LOOKUPS.of_loop())
    except TimeoutError:
        raise InputError("The host of the webhook is not known: its name server does not answer.") from None


async def _while_here(request: Request, work: Callable[[], Awaitable[T]]) -> T:
    """The result of `work`, which is cancelled when the client leaves. Raises Gone then."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        raise Gone

    return await _beside(work, watch)


async def _beside(work: Callable[[], Awaitable[T]], other: Callable[[], Awaitable[None]]) -> T:
    """The result of `work` while `other` runs beside it. An error of either cancels both and is raised.

    The result of `work` counts even if `other` raised at the same moment: once the job has taken its place, the place
    can no longer be renewed.
    """
    made: list[T] = []
    raised: list[Exception] = []
    async with anyio.create_task_group() as group:

        async def run(task: Callable[[], Awaitable[Any]]) -> None:
            try:
                value = await task()
            except Exception as error:
                raised.append(error)
            else:
                made.append(value)
            group.cancel_scope.cancel()

        group.start_soon(run, work)
        group.start_soon(run, other)
    if made:
        return made[0]
    raise raised[0]


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    return await anyio.to_thread.run_sync(partial(work, *arguments))


async def storing_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Runs on one of a few threads for storing: a slow store must not tie up those that answer everything else."""
    return await anyio.to_thread.run_sync(partial(work, *arguments), limiter=STORING.of_loop())
