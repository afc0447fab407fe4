"""Routes for assets (a photo or voice uploaded once and used in many jobs) and for what a job would cost."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.responses import Response

from sonic_core.errors import InputError
from sonic_core.fleet.cost import estimate, estimate_dub
from sonic_core.fleet.forget import delete_assets
from sonic_core.fleet.submission import facts_of, store_file
from sonic_core.ledger.assets import Asset, assets_of, find_asset, keep_asset, new_asset_id
from sonic_core.ledger.consents import check_consent, find_consent
from sonic_core.ledger.database import autocommit
from sonic_core.ledger.forgetting import delete_kept_asset
from sonic_core.ledger.reservations import Reservation, ReservedError, pixels_today, reserve, take_place
from sonic_core.request import Request as JobRequest
from sonic_core.service.answers import Answer
from sonic_core.service.context import Service
from sonic_core.service.intake import Intake, consent_of, in_thread, storing_thread, suffix_of
from sonic_core.service.models import AssetBody, EstimateBody, given_settings, read
from sonic_core.service.openapi import ASSET_BODY
from sonic_core.service.upload import Form, RequestContents, receive
from sonic_core.storage.keys import input_key

FORM = Form(("image", "video", "audio"), ("consent",), ("consent_id",))


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["assets"])
    ledger, stores = service.ledger, service.stores
    User = Annotated[str, Depends(service.user)]

    @routes.post("/assets", status_code=201, openapi_extra=ASSET_BODY)
    async def create(request: Request, who: User) -> Response:
        """Keeps a photo (field image), a video or a voice (audio) for later jobs, as long as its consent holds."""
        reservation = await in_thread(reserve, ledger, who, new_asset_id(), service.limits)
        if reservation is None:
            raise ReservedError("The asset's id is taken; send it again.")
        async with Intake(service).giving_up(reservation), receive(request, FORM) as received:
            asset = await storing_thread(keep, reservation, received)
        return Answer(view(asset), 201, {"Location": f"/assets/{asset.id}"})

    def keep(reservation: Reservation, received: RequestContents) -> Asset:
        given = read(AssetBody, received.fields)
        if len(received.files) != 1:
            raise InputError("Send one file, in the field image, video or audio.")
        (kind, path), now, who = next(iter(received.files.items())), ledger.clock(), reservation.user
        facts = facts_of(kind, path)
        new = consent_of(given.consent, who, now) if given.consent is not None else None
        key = input_key(who, reservation.job_id, f"{kind}{suffix_of(facts)}")
        stored = store_file(stores, key, path, facts)
        with ledger.engine.begin() as connection:
            take_place(ledger, reservation, 0.0, service.limits, connection)
            consent = new or check_consent(find_consent(connection, str(given.consent_id)), who, now)
            asset = Asset(reservation.job_id, who, kind, key, stored, True, consent.id, now)
            keep_asset(connection, asset, consent, new is not None)
        return asset

    @routes.get("/assets")
    def listing(who: User) -> list[dict[str, Any]]:
        """What you keep, newest first."""
        with autocommit(ledger.engine) as connection:
            return [view(asset) for asset in assets_of(connection, who)]

    @routes.delete("/assets/{asset_id}")
    def delete(asset_id: str, who: User) -> dict[str, Any]:
        """Stops keeping the asset. Jobs that use it go on; it is deleted with the last of them."""
        with autocommit(ledger.engine) as connection:
            asset = find_asset(connection, asset_id, who)
        if asset is None:
            raise HTTPException(404, f"You have no asset {asset_id[:100]!r}.")
        delete_kept_asset(ledger, asset)
        delete_assets(ledger, stores)
        return {"id": asset.id}

    @routes.post("/estimate")
    async def cost(request: Request, who: User) -> dict[str, Any]:
        """What a video would cost, before anything is uploaded."""
        async with receive(request, Form((), (), ())) as received:
            given = read(EstimateBody, received.fields)
        wanted = JobRequest.parse(given_settings(given.settings))
        if given.video_seconds is None:
            cost = estimate(given.width, given.height, given.seconds, wanted.settings)
        else:
            frames = max(1, round(given.video_seconds * given.video_fps))
            cost = estimate_dub(
                given.width, given.height, given.seconds, given.video_seconds, frames, wanted.dub.shorter
            )
        left = await in_thread(gigapixels_left, who)
        return {
            "width": cost.width, "height": cost.height, "frames": cost.frames,
            "gigapixels": round(cost.pixels / 1e9, 3), "gigapixels_left_today": round(left, 3),
            "accepted": cost.pixels / 1e9 <= left,
        }  # fmt: skip

    def gigapixels_left(who: str) -> float:
        with autocommit(ledger.engine) as connection:
            return max(0.0, service.limits.gigapixels_a_day - pixels_today(connection, who, ledger.clock()) / 1e9)

    return routes


def view(asset: Asset) -> dict[str, Any]:
    """What a caller sees of an asset."""
    names = ("size", "format", "width", "height", "seconds")
    known: dict[str, Any] = {name: asset.facts[name] for name in names if name in asset.facts}
    return {"id": asset.id, "kind": asset.kind, "created": asset.created, "consent_id": asset.consent_id, **known}
