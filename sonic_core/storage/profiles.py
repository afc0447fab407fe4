"""Named storage profiles: which buckets, which endpoint, which kind of link. A workflow holds only the name.

Read from a TOML file (SONIC_STORAGE_CONFIG, default `~/.config/sonic-studio/storage.toml`); each field can be
set or overridden by an environment variable `SONIC_OSS_<FIELD>`. With neither, the store is a folder. Secrets
are not part of a profile: `credentials` names a source. Knows no store; `stores.py` opens them.
"""

import importlib
import os
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

from sonic_core.errors import MissingExtraError, SettingsError

_DEFAULT_CONFIG = "~/.config/sonic-studio/storage.toml"
_MAX_LINK_SECONDS = 7 * 24 * 3600  # the limit of OSS V4 signatures


@dataclass(frozen=True)
class Profile:
    """Everything about a store but the secrets. `kind` is `folder`, `oss` or `s3`."""

    name: str = "default"
    kind: str = "folder"
    folder: str = "~/.local/share/sonic-studio/storage"
    bucket: str = ""  # for inputs
    output_bucket: str = ""  # for outputs; default: the same
    prefix: str = ""  # put before every key
    region: str = ""  # such as cn-hangzhou
    endpoint: str = ""  # public; default https://oss-<region>.aliyuncs.com
    internal_endpoint: str = ""  # for transfers inside the cloud's network
    domain: str = ""  # custom (CNAME) or CDN domain of shared links
    link: str = "private"  # private: signed and expiring; public: plain; cdn: by the CDN's own signature
    link_seconds: int = 24 * 3600
    storage_class: str = "Standard"
    credentials: str = "env"
    referers: tuple[str, ...] = ()  # sites that may embed the videos, for `storage init`

    def __post_init__(self) -> None:
        problem = None
        if self.kind not in ("folder", "oss", "s3"):
            problem = f"kind is {self.kind!r}, not folder, oss or s3"
        elif self.link not in ("private", "public", "cdn"):
            problem = f"link is {self.link!r}, not private, public or cdn"
        elif not 1 <= self.link_seconds <= _MAX_LINK_SECONDS:
            problem = f"link_seconds is {self.link_seconds}, not within 1 to {_MAX_LINK_SECONDS}"
        elif self.kind == "oss" and not (self.bucket and self.region):
            problem = "an oss profile needs bucket and region"
        elif self.kind == "s3" and not self.bucket:
            problem = "an s3 profile needs bucket"
        elif self.link == "cdn" and not self.domain:
            problem = "link = cdn needs domain"
        for name in ("endpoint", "internal_endpoint", "domain"):
            value = getattr(self, name)
            if value and not _is_https_or_local(value):
                problem = f"{name} is {value!r}; write it with https://"
        if problem:
            raise SettingsError(f"The storage profile {self.name!r} cannot be used: {problem}.")


def load_profile(name: str | None = None) -> Profile:
    """The named profile; default: SONIC_OSS_PROFILE, or `default`. Raises SettingsError."""
    chosen = name or os.environ.get("SONIC_OSS_PROFILE") or "default"
    path = Path(os.environ.get("SONIC_STORAGE_CONFIG") or _DEFAULT_CONFIG).expanduser()
    tables = _read_toml(path).get("profiles", {}) if path.is_file() else {}
    if chosen not in tables and chosen != "default":
        raise SettingsError(f"There is no storage profile {chosen!r} in {path}; it has {sorted(tables) or 'none'}.")
    values = {"name": chosen, **tables.get(chosen, {}), **_from_environment()}
    if values.get("bucket") and "kind" not in values:
        values["kind"] = "oss"
    unknown = set(values) - {f.name for f in fields(Profile)}
    if unknown:
        raise SettingsError(f"The storage profile {chosen!r} in {path} has unknown fields: {sorted(unknown)}.")
    try:
        values["link_seconds"] = int(values.get("link_seconds", Profile.link_seconds))
        values["referers"] = tuple(values.get("referers", ()))
        return Profile(**values)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"The storage profile {chosen!r} in {path} cannot be read: {error}.") from None


def _from_environment() -> dict:
    values: dict = {}
    for field in fields(Profile):
        text = os.environ.get(f"SONIC_OSS_{field.name.upper()}")
        if text and field.name != "name":
            values[field.name] = tuple(text.split(",")) if field.name == "referers" else text
    return values


def _is_https_or_local(url: str) -> bool:
    split = urlsplit(url)
    local = split.scheme == "http" and split.hostname in ("127.0.0.1", "localhost", "::1")
    return bool(split.hostname) and (split.scheme == "https" or local)


def _read_toml(path: Path) -> dict:
    try:
        toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ImportError:
        raise MissingExtraError("A TOML file needs tomli here: pip install 'sonic-studio[storage]'.") from None
    try:
        return toml.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"The storage configuration {path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise SettingsError(f"The storage configuration {path} is not TOML: {error}.") from None
