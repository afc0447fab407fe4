"""Middleware of every endpoint: malformed requests refused, a cap on bodies, security headers."""

import re

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_SMALL_BODY = 64 << 10
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?\Z")
_HEADERS = {
    b"content-security-policy": b"default-src 'self'; img-src 'self' blob:; media-src 'self' blob: https:; "
    b"connect-src 'self' https:; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
}


class TooLarge(Exception):
    """A body exceeded its cap."""


class WellFormed:
    """Refuses requests with a Host or path that no honest client sends and later code may stumble over."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not _HOST.match(hosts[0]):
            return await JSONResponse({"detail": "The Host header does not name a host."}, 400)(scope, receive, send)
        if any(ord(character) < 32 or ord(character) == 127 for character in scope["path"]):
            return await JSONResponse({"detail": "The path holds a control character."}, 400)(scope, receive, send)
        await self.app(scope, receive, send)


class BodyLimit:
    """Refuses bodies above a cap (`uploads` for forms, else small), by their declared length and by what comes."""

    def __init__(self, app: ASGIApp, uploads: int):
        self.app, self.uploads = app, uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = dict(scope["headers"])
        form = headers.get(b"content-type", b"").strip().lower().startswith(b"multipart/form-data")
        direct = scope["method"] == "PUT" and scope["path"].startswith("/uploads/")
        most = self.uploads if direct or (form and scope["method"] == "POST") else MAX_SMALL_BODY
        declared = headers.get(b"content-length", b"0")
        refusal = JSONResponse({"detail": f"The request is larger than {most} bytes."}, 413, {"Connection": "close"})
        if not declared.isdigit() or len(declared) > 18 or int(declared) > most:
            return await refusal(scope, receive, send)
        seen, begun = 0, False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise TooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, counted, noted)
        except TooLarge:
            if not begun:
                await refusal(scope, receive, send)


class SecurityHeaders:
    """Adds a content security policy and related headers to every answer but the generated API documentation."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start" and scope.get("path") not in ("/docs", "/redoc"):
                message["headers"] = [*message["headers"], *_HEADERS.items()]
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)
