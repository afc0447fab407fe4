"""What stands before every endpoint: a cap on bodies, security headers, and the test for this very machine."""

from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
_HEADERS = {
    b"content-security-policy": b"default-src 'self'; img-src 'self' blob:; media-src 'self' blob: https:; "
    b"frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
}


class TooLarge(Exception):
    """A body went on past its cap."""


class BodyLimit:
    """Refuses bodies above `max_bytes`, by their declared length and by what really comes."""

    def __init__(self, app: ASGIApp, max_bytes: int):
        self.app, self.max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        refusal = JSONResponse({"detail": f"The request is larger than {self.max_bytes} bytes."}, 413)
        if not declared.isdigit() or int(declared) > self.max_bytes:
            return await refusal(scope, receive, send)
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.max_bytes:
                raise TooLarge
            return message

        try:
            await self.app(scope, counted, send)
        except TooLarge:
            await refusal(scope, receive, send)


class SecurityHeaders:
    """Adds a content security policy and its like to every answer, except the generated API documentation's."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start" and scope.get("path") not in ("/docs", "/redoc"):
                message["headers"] = [*message["headers"], *_HEADERS.items()]
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


def same_site(request: Request) -> bool:
    """Whether a request comes from this machine, by its own name, and not from a page of another site.

    The Host check stops names that resolve to 127.0.0.1; the Origin check stops forms posted from elsewhere.
    """
    peer = request.client.host if request.client else ""
    host = urlsplit(f"//{request.headers.get('host', '')}")
    origin = request.headers.get("origin")
    return (
        peer in _LOCAL_HOSTS
        and host.hostname in _LOCAL_HOSTS
        and (origin is None or urlsplit(origin).netloc == host.netloc)
        and request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    )
