"""Where OSS credentials come from: environment, a file, or a short-lived source that is refreshed early.

They never come from a workflow and never reach a log: repr hides the secrets, and errors name the source only. Every
provider has `get_credentials()`, which oss2 asks on every request. Knows no buckets.
"""

import base64
import hashlib
import hmac
import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol
from urllib.error import URLError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, build_opener

from sonic_core.errors import SettingsError
from sonic_core.storage.store import StorageError

logger = logging.getLogger(__name__)

_REFRESH_BEFORE = 300.0  # seconds before expiry at which new credentials are fetched
_ECS_METADATA = "http://100.100.100.200/latest/meta-data/ram/security-credentials/"


@dataclass(frozen=True)
class Credentials:
    """An access key, with a token and an expiry (seconds since 1970) when it is short-lived."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str = field(default="", repr=False)
    expires: float | None = None

    # oss2 asks through these three.
    def get_access_key_id(self) -> str:
        return self.access_key_id

    def get_access_key_secret(self) -> str:
        return self.access_key_secret

    def get_security_token(self) -> str:
        return self.security_token


class CredentialsProvider(Protocol):
    def get_credentials(self) -> Credentials: ...


class EnvironmentCredentials:
    """OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and, for short-lived keys, OSS_SESSION_TOKEN."""

    def get_credentials(self) -> Credentials:
        return _from_mapping(
            {
                "access_key_id": os.environ.get("OSS_ACCESS_KEY_ID", ""),
                "access_key_secret": os.environ.get("OSS_ACCESS_KEY_SECRET", ""),
                "security_token": os.environ.get("OSS_SESSION_TOKEN", ""),
            },
            "environment (OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET)",
        )


class FileCredentials:
    """A JSON file with access_key_id, access_key_secret and optionally security_token; reread when it changes."""

    def __init__(self, path: Path | str):
        self.path = Path(path).expanduser()
        self._read: tuple[int, Credentials] | None = None

    def get_credentials(self) -> Credentials:
        try:
            changed = self.path.stat().st_mtime_ns
            if self._read is None or self._read[0] != changed:
                values = json.loads(self.path.read_text(encoding="utf-8"))
                self._read = changed, _from_mapping(values, f"file {self.path}")
        except OSError as error:
            raise SettingsError(f"The credentials file {self.path} cannot be read: {error.strerror}.") from None
        except ValueError:
            raise SettingsError(f"The credentials file {self.path} is not JSON.") from None
        return self._read[1]


class RefreshingCredentials:
    """Gets short-lived credentials from `fetch`, and new ones five minutes before they expire, one thread at a time.

    While the old ones still hold, a failed refresh is logged and tried again at the next request.
    """

    def __init__(self, fetch: Callable[[], Credentials], clock: Callable[[], float] = time.time):
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._current: Credentials | None = None

    def get_credentials(self) -> Credentials:
        current = self._current
        if current is not None and not self._ends_within(current, _REFRESH_BEFORE):
            return current
        with self._lock:
            current = self._current
            if current is None or self._ends_within(current, _REFRESH_BEFORE):
                try:
                    self._current = self._fetch()
                except StorageError as error:
                    if current is None or self._ends_within(current, 0):
                        raise
                    logger.warning("refreshing storage credentials failed, the old ones still hold: %s", error)
            assert self._current is not None
            return self._current

    def _ends_within(self, credentials: Credentials, seconds: float) -> bool:
        return credentials.expires is not None and credentials.expires - self._clock() <= seconds


def fetch_from_uri(uri: str) -> Credentials:
    """Credentials from an endpoint that answers `{AccessKeyId, AccessKeySecret, SecurityToken, Expiration}`."""
    return _from_sts_answer(_get_json(uri), "credentials endpoint")


def fetch_from_ecs_role(role: str) -> Credentials:
    """Credentials from the metadata service of an Alibaba Cloud machine that has the RAM role."""
    return _from_sts_answer(_get_json(_ECS_METADATA + quote(role, safe="")), f"RAM role {role} of this machine")


def assume_role(
    role_arn: str, base: CredentialsProvider, endpoint: str = "https://sts.aliyuncs.com", seconds: int = 3600
) -> Credentials:
    """STS AssumeRole (API 2015-04-01), signed by the RPC rules (HMAC-SHA1) with the base credentials."""
    keys = base.get_credentials()
    query = {
        "Action": "AssumeRole",
        "Version": "2015-04-01",
        "Format": "JSON",
        "RoleArn": role_arn,
        "RoleSessionName": "sonic-studio",
        "DurationSeconds": str(seconds),
        "AccessKeyId": keys.access_key_id,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": uuid.uuid4().hex,
        "Timestamp": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if keys.security_token:
        query["SecurityToken"] = keys.security_token
    query["Signature"] = rpc_signature(query, keys.access_key_secret)
    answer = _get_json(f"{endpoint}/?{urlencode(query, quote_via=quote)}")
    return _from_sts_answer(answer.get("Credentials", {}), f"role {role_arn}")


def rpc_signature(query: dict[str, str], secret: str) -> str:
    """The signature of an Alibaba Cloud RPC GET request."""
    pairs = "&".join(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in sorted(query.items()))
    text = f"GET&%2F&{quote(pairs, safe='~')}"
    return base64.b64encode(hmac.new((secret + "&").encode(), text.encode(), hashlib.sha1).digest()).decode()


def make_provider(source: str) -> CredentialsProvider:
    """The provider that a profile's `credentials` name: `env`, `file:PATH`, `uri:URL`, `ecs:ROLE` or `sts:ROLE_ARN`."""
    kind, _, rest = source.partition(":")
    if kind == "env" and not rest:
        return EnvironmentCredentials()
    if kind == "file" and rest:
        return FileCredentials(rest)
    if kind == "uri" and rest:
        return RefreshingCredentials(lambda: fetch_from_uri(rest))
    if kind == "ecs" and rest:
        return RefreshingCredentials(lambda: fetch_from_ecs_role(rest))
    if kind == "sts" and rest:
        return RefreshingCredentials(lambda: assume_role(rest, EnvironmentCredentials()))
    raise SettingsError(
        f"The profile's credentials {kind!r} are not env, file:PATH, uri:URL, ecs:ROLE or sts:ROLE_ARN."
    )


def _from_mapping(values: object, source: str) -> Credentials:
    values = values if isinstance(values, dict) else {}
    key_id, secret, token = (
        str(values.get(name) or "") for name in ("access_key_id", "access_key_secret", "security_token")
    )
    if not key_id or not secret:
        raise SettingsError(f"There are no OSS credentials in the {source}.")
    return Credentials(key_id, secret, token)


def _from_sts_answer(values: object, source: str) -> Credentials:
    try:
        assert isinstance(values, dict)
        expires = datetime.strptime(values["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        token = values["SecurityToken"]
        return Credentials(values["AccessKeyId"], values["AccessKeySecret"], token, expires.timestamp())
    except (AssertionError, KeyError, TypeError, ValueError):
        raise StorageError(f"The {source} gave no usable short-lived credentials.") from None


def _get_json(url: str) -> dict:
    # No proxy: the metadata service is on this machine's own link. The URL may be signed, so errors do not show it.
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=10) as response:
            return json.loads(response.read(1 << 20))
    except (URLError, OSError, ValueError) as error:
        status = getattr(error, "code", type(error).__name__)
        raise StorageError(f"Short-lived credentials could not be fetched ({status}).") from None
