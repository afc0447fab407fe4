"""API keys: random, shown once, kept as SHA-256. Knows the ledger, no HTTP."""

import hashlib
import secrets

from sqlalchemy import insert, select, update

from sonic_core.ledger.database import autocommit
from sonic_core.ledger.ledger import Ledger
from sonic_core.ledger.tables import api_keys
from sonic_core.storage.keys import check_id


def create_key(ledger: Ledger, user: str) -> str:
    """A new key for the user. This is the only time it can be seen."""
    key = f"sk-sonic-{secrets.token_urlsafe(32)}"
    values = {"sha256": _digest(key), "user": check_id(user, "user"), "created": ledger.clock()}
    with ledger.engine.begin() as connection:
        connection.execute(insert(api_keys).values(**values))
    return key


def revoke_keys(ledger: Ledger, user: str) -> int:
    """Ends every API key of the user; says how many there were."""
    mine = update(api_keys).where(api_keys.c.user == user, api_keys.c.revoked.is_(None))
    with ledger.engine.begin() as connection:
        return connection.execute(mine.values(revoked=ledger.clock())).rowcount


def user_of(ledger: Ledger, key: str) -> str | None:
    query = select(api_keys.c.user).where(api_keys.c.sha256 == _digest(key), api_keys.c.revoked.is_(None))
    with autocommit(ledger.engine) as connection:
        return connection.execute(query).scalar_one_or_none()


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
