"""HTTP to addresses that users give, without reaching into our own network (SSRF) and without waiting forever.

Every hop is resolved once, refused unless all its addresses are public, and connected to at exactly the address
that was checked, with the host's name for TLS and Host. HTTPS only; bytes, redirects and the time of the whole
exchange are capped, so a host that drips a byte now and then gains nothing. For inputs by URL and for webhooks.
"""

import concurrent.futures
import functools
import ipaddress
import socket
import ssl
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import anyio
import anyio.to_thread
import certifi
import httpx

from sonic_core.errors import InputError
from sonic_core.loop_limit import LoopLimit
from sonic_core.progress import OnStep
from sonic_core.storage.store import temporary_file

SCHEMES = ("https",)
MAX_URL = 2048
_MAX_REDIRECTS = 5
_SECONDS = 60.0
_SILENT_SECONDS = 15.0
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
LOOKUPS = LoopLimit("sonic-lookups", 64)  # a name server that never answers must not tie up every thread


@dataclass(frozen=True)
class Target:
    """Where a URL leads once it has been checked: the host's name, and the address to connect to."""

    url: httpx.URL
    host: str
    address: str
    port: int


def is_public(address: str) -> bool:
    """Whether an IP address is public: not private, loopback, link-local, shared, multicast or mapped."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def check_url(url: str) -> httpx.URL:
    """The parsed URL, if its form is acceptable; raises InputError otherwise. Looks up nothing."""
    if len(url) > MAX_URL:
        raise InputError(f"The URL has {len(url)} characters; at most {MAX_URL} are accepted.")
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp") for character in url):
        raise InputError("The URL holds a space or a control character; write it percent-encoded.")
    try:
        parsed = httpx.URL(url)
        host = parsed.raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError):
        raise InputError("The URL cannot be read.") from None
    if parsed.scheme not in SCHEMES or not host:
        raise InputError(f"The URL must begin with {' or '.join(SCHEMES)}:// and name a host.")
    if parsed.userinfo:
        raise InputError("The URL must not carry a user name or password.")
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise InputError(f"The URL has the port {parsed.port}; ports are 1 to 65535.")
    return parsed


def resolve(url: str) -> Target:
    """Where a URL leads, if it may be fetched; raises InputError otherwise. Waits for the name server."""
    parsed = check_url(url)
    host = parsed.raw_host.decode("ascii").strip("[]")
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise InputError(f"The host {host[:100]!r} of the URL is not known.") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(is_public(address) for address in addresses):
        raise InputError(f"The host {host[:100]!r} of the URL is not a public one.")
    return Target(parsed, host, addresses[0], port)


@asynccontextmanager
async def pinned(
    method: str, url: str, *, seconds: float = _SECONDS, **request: object
) -> AsyncIterator[httpx.Response]:
    """One streamed request to the address that was checked; redirects are not followed.

    The lookup, the connection and the block share `seconds`; then TimeoutError. Raises InputError for a refused URL.
    """
    with anyio.fail_after(seconds):
        target = await anyio.to_thread.run_sync(resolve, url, abandon_on_cancel=True, limiter=LOOKUPS.of_loop())
        at = target.url.copy_with(host=target.address, port=target.port)
        headers = {"Host": target.url.netloc.decode(), **dict(request.pop("headers", {}))}  # type: ignore[call-overload]
        # trust_env=False: a proxy from the environment would resolve the name again, by itself.
        async with (
            httpx.AsyncClient(timeout=min(seconds, _SILENT_SECONDS), trust_env=False, verify=_trust()) as client,
            client.stream(method, at, headers=headers, extensions={"sni_hostname": target.host}, **request) as answer,  # type: ignore[arg-type]
        ):
            yield answer


async def download(
    url: str, target: Path, max_bytes: int, seconds: float = _SECONDS, on_step: OnStep | None = None
) -> int:
    """Downloads to `target`; returns the bytes. Raises InputError, whose text never holds the URL's query.

    `seconds` is the time for everything, redirects included. Cancelling leaves no file.
    """
    try:
        with anyio.fail_after(seconds):
            for _ in range(_MAX_REDIRECTS + 1):
                async with pinned("GET", url, seconds=seconds, headers={"Accept-Encoding": "identity"}) as answer:
                    if not answer.is_redirect:
                        if answer.status_code != 200:
                            raise InputError(f"The host of the URL answered {answer.status_code}.")
                        return await _save(answer, target, max_bytes, on_step)
                    url = urljoin(url, answer.headers.get("location", ""))
    except TimeoutError:
        raise InputError(f"The host of the URL is too slow: {seconds:g} s have passed.") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise InputError(f"The URL could not be fetched ({type(error).__name__}).") from None
    raise InputError(f"The URL redirects more than {_MAX_REDIRECTS} times.")


def fetch(url: str, target: Path, max_bytes: int, seconds: float = _SECONDS, on_step: OnStep | None = None) -> int:
    """`download` for synchronous callers, on a thread of its own: the caller's may already run an event loop."""
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="fetch") as thread:
        return thread.submit(anyio.run, download, url, target, max_bytes, seconds, on_step).result()


async def _save(answer: httpx.Response, target: Path, max_bytes: int, on_step: OnStep | None) -> int:
    length = answer.headers.get("content-length", "")
    total = int(length) if length.isdigit() and len(length) < 20 else 0  # 0: not told
    if total > max_bytes:
        raise InputError(f"The file at the URL has {length} bytes; at most {max_bytes} are accepted.")
    with temporary_file(target) as (file, path):
        done = 0
        # Raw bytes: a small compressed answer must not become a large file.
        async for block in answer.aiter_raw(1 << 16):
            done += len(block)
            if done > max_bytes:
                raise InputError(f"The file at the URL is larger than the {max_bytes} bytes that are accepted.")
            file.write(block)
            if on_step:
                on_step(done, max(total, done))
        file.close()
        path.replace(target)
    return done


@functools.cache
def _trust() -> ssl.SSLContext:
    """The trusted certificates. Read once: reading takes as long as the rest of a request."""
    return ssl.create_default_context(cafile=certifi.where())
