"""Access for the person at this machine: no API key, but a secret in the address that `serve` prints.

A request is let in without a key only when it comes over loopback, by this machine's own name, with no trace of a
proxy, from no other site's page, and with the secret: a reverse proxy on this machine looks like its user in all but
the last. The page's address carries the secret once; a cookie carries it from then on.
"""

import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from fastapi import Request
from starlette.responses import Response

_FORWARDING = {
    "forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-original-forwarded-for", "x-host",
    "x-original-host", "cf-connecting-ip", "true-client-ip", "fastly-client-ip",
    "x-envoy-external-address", "x-proxyuser-ip",
}  # fmt: skip


@dataclass(frozen=True)
class LocalDoor:
    """The secret of this run of the service, and the name of the cookie that carries it."""

    secret: str
    cookie: str

    @classmethod
    def make(cls, port: int) -> "LocalDoor":
        # Cookies do not tell ports apart; two services on one machine must not overwrite each other's.
        return cls(secrets.token_urlsafe(32), f"sonic-local-{port}")

    def address(self, base_url: str) -> str:
        return f"{base_url}/?token={self.secret}"

    def admits(self, request: Request) -> bool:
        """Whether a request may work as the local user."""
        given = (request.cookies.get(self.cookie, ""), api_key(request), request.query_params.get("token", ""))
        return came_directly(request) and same_site(request) and any(self._fits(secret) for secret in given)

    def opens(self, request: Request) -> bool:
        """Whether a request for the page carries the secret in its address."""
        return came_directly(request) and self._fits(request.query_params.get("token", ""))

    def remember(self, answer: Response) -> None:
        """Gives the secret to the browser, for this site only and out of reach of scripts."""
        answer.set_cookie(self.cookie, self.secret, httponly=True, samesite="strict", path="/")

    def _fits(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.secret.encode())


def api_key(request: Request) -> str:
    """The key that a request carries, "" without one."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return (key if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")).strip()


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def came_directly(request: Request) -> bool:
    """Whether a request comes over loopback, names this machine, and shows no trace of a proxy."""
    peer = request.client.host if request.client else ""
    host = _split(f"//{request.headers.get('host', '')}")
    forwarded = any(name in _FORWARDING or name.startswith("x-forwarded") for name in request.headers)
    return is_loopback(peer) and host is not None and is_loopback(host.hostname or "") and not forwarded


def same_site(request: Request) -> bool:
    """Whether no page of another site made a request. The Host check stops names that resolve to 127.0.0.1."""
    origin = request.headers.get("origin")
    page = _split(origin) if origin is not None else None
    from_here = origin is None or (page is not None and page.netloc == request.headers.get("host", ""))
    return from_here and request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
        return parts
    except ValueError:
        return None
