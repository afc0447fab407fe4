"""HTTP to addresses that users give, without reaching into our own network (SSRF).

Every hop is resolved once, refused unless all its addresses are public, and connected to at exactly the address
that was checked, with the host's name for TLS and Host. HTTPS only; bytes, redirects and time are capped. For
inputs by URL and for webhooks.
"""

import ipaddress
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx

from sonic_core.errors import InputError
from sonic_core.storage.store import OnStep, temporary_file

SCHEMES = ("https",)
_MAX_REDIRECTS = 5
_SECONDS = 60.0
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is out in the Internet: not private, loopback, link-local, shared, multicast or mapped."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def resolve(url: str) -> tuple[str, str, int]:
    """(host, address to connect to, port) of a URL that may be fetched. Raises InputError."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise InputError("The URL cannot be read.") from None
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise InputError(f"The URL must begin with {' or '.join(SCHEMES)}:// and name a host.")
    if parts.username or parts.password:
        raise InputError("The URL must not carry a user name or password.")
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise InputError(f"The host {parts.hostname[:100]!r} of the URL is not known.") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(is_public(address) for address in addresses):
        raise InputError(f"The host {parts.hostname[:100]!r} of the URL is not a public one.")
    return parts.hostname, addresses[0], port


@contextmanager
def pinned(method: str, url: str, *, seconds: float = _SECONDS, **request: object) -> Iterator[httpx.Response]:
    """One streamed request to the address that was checked; redirects are not followed."""
    host, address, port = resolve(url)
    at = f"[{address}]" if ":" in address else address
    target = httpx.URL(url).copy_with(host=at.strip("[]"), port=port)
    headers = {"Host": httpx.URL(url).netloc.decode(), **dict(request.pop("headers", {}))}  # type: ignore[call-overload]
    # trust_env=False: a proxy from the environment would resolve the name again, by itself.
    with (
        httpx.Client(timeout=httpx.Timeout(min(seconds, 15.0)), trust_env=False) as client,
        client.stream(method, target, headers=headers, extensions={"sni_hostname": host}, **request) as answer,  # type: ignore[arg-type]
    ):
        yield answer


def fetch(url: str, target: Path, max_bytes: int, seconds: float = _SECONDS, on_step: OnStep | None = None) -> int:
    """Downloads to `target`; returns the bytes. Raises InputError, whose text never holds the URL's query."""
    deadline = time.monotonic() + seconds
    for _ in range(_MAX_REDIRECTS + 1):
        try:
            with pinned("GET", url, seconds=seconds, headers={"Accept-Encoding": "identity"}) as answer:
                if answer.is_redirect:
                    url = urljoin(url, answer.headers.get("location", ""))
                    continue
                if answer.status_code != 200:
                    raise InputError(f"The host of the URL answered {answer.status_code}.")
                return _save(answer, target, max_bytes, deadline, on_step)
        except httpx.HTTPError as error:
            raise InputError(f"The URL could not be fetched ({type(error).__name__}).") from None
    raise InputError(f"The URL redirects more than {_MAX_REDIRECTS} times.")


def _save(answer: httpx.Response, target: Path, max_bytes: int, deadline: float, on_step: OnStep | None) -> int:
    length = answer.headers.get("content-length", "")
    total = int(length) if length.isdigit() else 0  # 0: not told
    if total > max_bytes:
        raise InputError(f"The file at the URL has {length} bytes; at most {max_bytes} are accepted.")
    with temporary_file(target) as (file, path):
        done = 0
        # Raw bytes: a small compressed answer must not become a large file.
        for block in answer.iter_raw(1 << 16):
            done += len(block)
            if done > max_bytes:
                raise InputError(f"The file at the URL is larger than the {max_bytes} bytes that are accepted.")
            if time.monotonic() > deadline:
                raise InputError("The host of the URL is too slow.")
            file.write(block)
            if on_step:
                on_step(done, max(total, done))
        file.close()
        path.replace(target)
    return done
