"""Fetching one file over HTTPS: resumed where it broke off, checked against its sha256, there whole or not at all."""

import hashlib
import os
import re
import urllib.error
import urllib.request
from email.message import Message
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from sonic_core.errors import ModelError
from sonic_core.progress import OnStep

BLOCK = 2**20
TIMEOUT_SECONDS = 60
LOCAL = ("127.0.0.1", "localhost", "::1")


def fetch_file(url: str, target: Path, sha256: str | None = None, on_bytes: OnStep | None = None) -> str | None:
    """Fetch `url` to `target`; an earlier `target.part` is continued.

    Args:
        url: https, or http on this machine.
        target: the file to make; its folder is made too.
        sha256: the sum that is expected; left out: the one that the server states, if it does.
        on_bytes: progress.

    Returns:
        The sha256 that the content was checked against, or None if none was known.

    Raises:
        ModelError: the server refuses, the connection breaks, or the content is not what it should be.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOCAL):
        raise ModelError(f"{url} is not an https address; model files are fetched over https only")
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        stated = _fetch(url, part, on_bytes)
    except urllib.error.HTTPError as error:
        raise ModelError(_refusal(url, error.code)) from error
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        raise ModelError(
            f"{url} could not be fetched to its end ({error}); run the same command again to go on"
        ) from error
    except OSError as error:
        raise ModelError(
            f"{target} cannot be written ({error.strerror}); free space or choose another folder"
        ) from error
    expected = sha256 or stated
    if expected is not None and (actual := file_sha256(part)) != expected:
        part.unlink()
        raise ModelError(f"{target.name} came with sha256 {actual} instead of {expected}; run the same command again")
    os.replace(part, target)
    return expected


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _fetch(url: str, part: Path, on_bytes: OnStep | None) -> str | None:
    """Append to `part` until the end; returns the sha256 the server stated."""
    have = part.stat().st_size if part.is_file() else 0
    redirects = _Redirects()
    opener = urllib.request.build_opener(redirects)
    request = urllib.request.Request(url, headers={"User-Agent": "sonic-studio", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = opener.open(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is left to send: the part is whole, or of another file
            if _total(error.headers) == have:
                return redirects.sha256 or _stated_sha256(error.headers)
            part.unlink()
            return _fetch(url, part, on_bytes)
        raise
    with response:
        _receive(response, part, have if response.status == 206 else 0, on_bytes)
        return redirects.sha256 or _stated_sha256(response.headers)


def _receive(response: HTTPResponse, part: Path, have: int, on_bytes: OnStep | None) -> None:
    """Write what comes after the `have` bytes of `part` that stay."""
    total = _total(response.headers) or have + int(response.headers.get("Content-Length") or 0)
    with part.open("ab" if have else "wb") as file:
        while block := response.read(BLOCK):
            file.write(block)
            have += len(block)
            if on_bytes is not None:
                on_bytes(have, total)
    if total and have != total:
        raise HTTPException(f"{have} of {total} bytes came")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https only, and remembers the sha256 that the first server stated."""

    def __init__(self) -> None:
        self.sha256: str | None = None

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        self.sha256 = self.sha256 or _stated_sha256(headers)
        parts = urlsplit(newurl)
        if parts.scheme != "https" and parts.hostname not in LOCAL:
            raise urllib.error.URLError(f"redirected to {parts.scheme}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _stated_sha256(headers: Message) -> str | None:
    """The sha256 that Hugging Face gives as the entity tag of large files."""
    tag = (headers.get("X-Linked-Etag") or "").strip('"')
    return tag if re.fullmatch(r"[0-9a-f]{64}", tag) else None


def _total(headers: Message) -> int:
    """The full size after the slash of Content-Range, or 0."""
    match = re.search(r"/(\d+)$", headers.get("Content-Range") or "")
    return int(match[1]) if match else 0


def _refusal(url: str, code: int) -> str:
    if code in (401, 403):
        return f"{url} is not open to everybody; fetch it with a browser and put it into the folder by hand"
    if code == 404:
        return f"{url} is not there any more; look for the file's new place and put it into the folder by hand"
    return f"{url} was refused by the server with status {code}; try again later"
