"""The routes of live talks: a photo and a consent give a ticket, and a WebSocket with the ticket begins the talk.

The photo is held in memory and nothing of a talk is stored. `live_talk` knows what goes over the socket.
"""

import time
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Request, WebSocket
from starlette.responses import JSONResponse
from starlette.websockets import WebSocketDisconnect

from sonic_core.errors import InputError, SonicError
from sonic_core.fleet.submission import facts_of
from sonic_core.ledger.consents import record_consent
from sonic_core.service.context import Service
from sonic_core.service.live_host import TICKET_SECONDS, LiveHost, Ticket
from sonic_core.service.live_talk import LiveTalk, check_talk, say
from sonic_core.service.models import JobSettings, NewConsent, Strict, given_settings, read
from sonic_core.service.upload import Form, receive

FORM = Form(("image",), ("consent", "settings"), ("consent_id",))


class TalkBody(Strict):
    """A talk to begin; the photo comes in the form."""

    consent: NewConsent | None = None
    consent_id: str | None = None
    settings: JobSettings = JobSettings()  # type: ignore[valid-type]


def router(service: Service, host: LiveHost) -> APIRouter:
    routes = APIRouter(tags=["live"])
    User = Annotated[str, Depends(service.user)]

    @routes.post("/live", status_code=201)
    async def begin(request: Request, who: User) -> JSONResponse:
        """Takes the photo and the consent; answers with the address of a socket, good for one talk within a minute."""
        host.slots.check(who)
        async with receive(request, FORM) as received:
            given = read(TalkBody, received.fields)
            if "image" not in received.files:
                raise InputError("A talk needs a photo: send it as the file image of a form.")

            def prepare() -> Ticket:
                from sonic_core.media.image import load_image

                facts_of("image", received.files["image"])
                consent_id = _consent(service, who, given)
                photo = load_image(received.files["image"])
                settings = given_settings(given.settings)
                return Ticket(who, photo, settings, consent_id, time.monotonic() + TICKET_SECONDS)

            ticket = await anyio.to_thread.run_sync(prepare)
        word = host.issue(ticket)
        return JSONResponse({"socket": f"/live/{word}", "consent_id": ticket.consent_id}, 201)

    @routes.websocket("/live/{word}")
    async def talk(socket: WebSocket, word: str) -> None:
        ticket = host.redeem(word)
        if ticket is None:
            await socket.close(4401, "The ticket is not known or too old; ask for another.")
            return
        await socket.accept()
        try:
            with host.slots.take(ticket.user):
                await LiveTalk(service, host, ticket, socket).run()
        except SonicError as error:
            await say(socket, type="error", detail=str(error))
            await socket.close(4400)
        except (WebSocketDisconnect, RuntimeError):
            return  # the other side is gone

    return routes


def _consent(service: Service, user: str, given: TalkBody) -> str:
    """Return the id of the consent that a talk rests on, recorded now or earlier. Raises InputError."""
    if (given.consent is None) == (given.consent_id is None):
        raise InputError("A talk needs the consent of the person shown: give one of consent and consent_id.")
    if given.consent is not None:
        said = given.consent.model_dump(exclude={"agreed"})
        return record_consent(service.ledger.engine, user, sources=[], **said).id
    check_talk(service, user, given.consent_id or "")
    return given.consent_id or ""
