"""Files between this machine and a storage profile, or an https URL: for the storage nodes of ComfyUI.

A caller gives the name of a profile and never a secret; errors and logs show neither links nor their queries. Knows
profiles, keys and URLs; no jobs, no ledger.
"""

from __future__ import annotations

import logging
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sonic_core.errors import InputError, MissingExtraError, SettingsError, SonicError
from sonic_core.progress import OnStep
from sonic_core.storage.folder import FolderStore
from sonic_core.storage.keys import check_id, check_key, sanitize_name
from sonic_core.storage.profiles import load_profile
from sonic_core.storage.store import ObjectExists, ObjectNotFound, StorageError
from sonic_core.storage.stores import Stores, open_stores

logger = logging.getLogger(__name__)

MAX_BYTES = 2 << 30
URL_SECONDS = 600.0
DEFAULT_USER = "comfyui"
DEFAULT_PROFILE = "default"
KEY_WORDS = ("name", "job", "date", "time")


@dataclass(frozen=True)
class StoredFile:
    """Where a file went: its key, and a link in the manner of the profile."""

    key: str
    url: str


def stores_of(profile: str) -> Stores:
    """The stores of a named profile; DEFAULT_PROFILE (or ""): the one that SONIC_OSS_PROFILE names, or a folder."""
    name = profile.strip()
    return open_stores(load_profile(None if name in ("", DEFAULT_PROFILE) else name))


def user() -> str:
    """The user whose results these are: from the environment, never from a workflow."""
    return check_id(os.environ.get("SONIC_STORAGE_USER") or DEFAULT_USER, "user in SONIC_STORAGE_USER")


def is_url(source: str) -> bool:
    return "://" in source


def name_of(source: str) -> str:
    """A safe file name for what a key or a URL points to."""
    path = urlsplit(source).path if is_url(source) else source
    return sanitize_name(unquote(path), "file")


def load(source: str, profile: str, target: Path, on_step: OnStep | None = None) -> Path:
    """Download what a key or an https URL points to. Raises SonicError; raising from `on_step` cancels."""
    if not source.strip():
        raise InputError("nothing is named to load; give an object's key, or an https URL")
    if is_url(source):
        _fetch(source.strip(), target, on_step)
    else:
        key = check_key(source.strip())
        stores_of(profile).of(key).get(key, target, max_bytes=MAX_BYTES, on_step=on_step)
    return target


def version_of(source: str, profile: str) -> str:
    """Changes when the object behind a key changes; a URL's content is not asked for. Raises SonicError."""
    if is_url(source):
        return source
    key = check_key(source.strip())
    info = stores_of(profile).of(key).head(key)
    return f"{info.etag} {info.size} {info.modified}"


def put_samples(samples: dict[str, Path], profile: str) -> None:
    """Put files that come with the product under their keys where a folder store lacks them; buckets are left alone."""
    for key, path in samples.items():
        place = stores_of(profile).of(key)
        if not isinstance(place, FolderStore):
            continue
        try:
            place.head(key)
        except ObjectNotFound:
            place.put(key, path)


def save(path: Path, name: str, profile: str, template: str, job: str, on_step: OnStep | None = None) -> StoredFile:
    """Upload a file as it is, under a key made from `template` (see `result_key`), and make a link to it.

    Raises SonicError. Raising from `on_step` cancels, and nothing stays in the store.
    """
    key = result_key(template, name=name, job=job)
    stores = stores_of(profile)
    target = stores.of(key)
    try:
        target.put(key, path, disposition=f'inline; filename="{ascii_name(key)}"', on_step=on_step)
    except ObjectExists:
        raise StorageError(f"The object {key} exists already; put {{job}} or {{time}} into the key.") from None
    except SonicError:
        raise
    except BaseException:  # cancelled, perhaps after the last byte: nobody would know of the object
        _discard(stores, key)
        raise
    return StoredFile(key, target.sign(key, seconds=stores.link_seconds))


def result_key(template: str, *, name: str, job: str, now: float | None = None) -> str:
    """`outputs/<user>/` and the template with {name}, {job}, {date} and {time} (UTC) filled in, every part harmless.

    The suffix of `name` is added where the template leaves it out. Raises SettingsError for another word in braces.
    """
    moment = time.gmtime(time.time() if now is None else now)
    words = {
        "name": name,
        "job": job,
        "date": time.strftime("%Y-%m-%d", moment),
        "time": time.strftime("%H%M%S", moment),
    }

    def word(found: re.Match[str]) -> str:
        if found[1] not in words:
            known = ", ".join(f"{{{known}}}" for known in KEY_WORDS)
            raise SettingsError(f"the key has {found[0]!r}; only {known} are filled in")
        return words[found[1]]

    parts = [part for part in re.sub(r"\{([^{}]*)\}", word, template.strip()).split("/") if part]
    if any(part in (".", "..") for part in parts) or not parts:
        raise SettingsError(f"the key {template[:100]!r} is not a path; give one like {{date}}/{{job}}/{{name}}")
    *folders, last = (sanitize_name(part) for part in parts)
    suffix = Path(name).suffix
    if not last.lower().endswith(suffix.lower()):
        last = sanitize_name(last + suffix)
    return check_key("/".join(["outputs", user(), *folders, last]))


def ascii_name(key: str) -> str:
    """The last part of a key for a header, which takes ASCII only."""
    return key.rsplit("/", 1)[-1].encode("ascii", "replace").decode().replace("?", "_")


def _fetch(url: str, target: Path, on_step: OnStep | None) -> None:
    try:
        from sonic_core.storage.https import fetch
    except ImportError as error:
        raise MissingExtraError(f"loading from a URL needs {error.name}; run pip install {error.name}") from None
    fetch(url, target, MAX_BYTES, URL_SECONDS, on_step)


def _discard(stores: Stores, key: str) -> None:
    try:
        stores.of(key).delete(key)
    except StorageError as error:
        logger.warning("the cancelled upload %s was not deleted: %s", key, error)
