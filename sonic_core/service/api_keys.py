"""API keys: random, shown once, kept as SHA-256; each with a name and an expiry, revoked singly or by user.

Knows the ledger, no HTTP.
"""

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import insert, or_, select, update

from sonic_core.errors import InputError, SettingsError
from sonic_core.ledger.database import autocommit
from sonic_core.ledger.ledger import Ledger
from sonic_core.ledger.tables import api_keys
from sonic_core.storage.keys import check_id

_DAY = 24 * 3600.0
_ID_LENGTH = 12  # of the digest: enough to tell keys apart, too few to stand for one


@dataclass(frozen=True)
class KeyInfo:
    """What is known of a key without the key. Times in seconds since 1970."""

    id: str
    user: str
    name: str | None
    created: float
    expires: float | None
    revoked: float | None


def create_key(ledger: Ledger, user: str, name: str | None = None, days: float | None = None) -> str:
    """A new key for the user, valid for `days`. It is shown only here. Raises SettingsError for impossible days."""
    if days is not None and not 0 < days < 36525:
        raise SettingsError(f"the key's days are {days}; give a number above 0, or leave them out")
    key, now = f"sk-sonic-{secrets.token_urlsafe(32)}", ledger.clock()
    values = {"sha256": _digest(key), "user": check_id(user, "user"), "created": now, "name": name and name[:120]}
    with ledger.engine.begin() as connection:
        connection.execute(insert(api_keys).values(**values, expires=None if days is None else now + days * _DAY))
    return key


def list_keys(ledger: Ledger, user: str | None = None) -> list[KeyInfo]:
    """All keys, or a user's, newest first."""
    query = select(api_keys).order_by(api_keys.c.created.desc())
    if user is not None:
        query = query.where(api_keys.c.user == user)
    with autocommit(ledger.engine) as connection:
        rows = connection.execute(query).all()
    return [KeyInfo(r.sha256[:_ID_LENGTH], r.user, r.name, r.created, r.expires, r.revoked) for r in rows]


def revoke_key(ledger: Ledger, key_id: str) -> KeyInfo:
    """Revokes one key by its id (see `list_keys`). Raises InputError where there is none."""
    if len(key_id) != _ID_LENGTH or not key_id.isalnum():
        raise InputError(f"{key_id[:40]!r} is not the id of a key; `keys list` shows them.")
    one = update(api_keys).where(api_keys.c.sha256.startswith(key_id, autoescape=True), api_keys.c.revoked.is_(None))
    with ledger.engine.begin() as connection:
        connection.execute(one.values(revoked=ledger.clock()))
    found = next((info for info in list_keys(ledger) if info.id == key_id), None)
    if found is None:
        raise InputError(f"There is no key {key_id!r}; `keys list` shows them.")
    return found


def revoke_keys(ledger: Ledger, user: str) -> int:
    """Revokes all API keys of the user; returns how many there were."""
    mine = update(api_keys).where(api_keys.c.user == user, api_keys.c.revoked.is_(None))
    with ledger.engine.begin() as connection:
        return connection.execute(mine.values(revoked=ledger.clock())).rowcount


def user_of(ledger: Ledger, key: str) -> str | None:
    """The user of a valid key; None for any other."""
    holds = (api_keys.c.revoked.is_(None), or_(api_keys.c.expires.is_(None), api_keys.c.expires > ledger.clock()))
    query = select(api_keys.c.user).where(api_keys.c.sha256 == _digest(key), *holds)
    with autocommit(ledger.engine) as connection:
        return connection.execute(query).scalar_one_or_none()


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
