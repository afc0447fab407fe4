"""Photos and voices as objects of their own: which jobs use them, and which nobody needs any more.

An asset is an object in the store that one user may use in many jobs. It lives as long as a job uses it, or, when
it was uploaded for itself (`kept`), as long as its consent holds. One that is let go is marked deleted in the same
transaction, so that nothing can begin to use it while its object is being deleted. Knows the tables, no store.
"""

import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, delete, exists, insert, select, update

from sonic_core.errors import InputError
from sonic_core.ledger.consents import Consent, check_consent, find_consent, insert_consent
from sonic_core.ledger.database import autocommit
from sonic_core.ledger.tables import asset_uses, assets

Facts = dict[str, Any]  # key, size, etag, crc64, sha256: what the ledger keeps of an object


@dataclass(frozen=True)
class Asset:
    """A row of the ledger. kind: image, video, audio or background."""

    id: str
    user: str
    kind: str
    key: str
    facts: Facts
    kept: bool
    consent_id: str | None
    created: float
    deleted: float | None = None


def new_asset_id() -> str:
    return f"asset-{uuid.uuid4().hex}"


def use_assets(connection: Connection, job_id: str, user: str, inputs: dict[str, Facts], now: float) -> None:
    """Notes that a job uses its inputs; objects seen for the first time become assets. Raises InputError."""
    used = set()
    for kind, facts in inputs.items():
        found = select(assets.c.id, assets.c.deleted).where(assets.c.user == user, assets.c.key == facts["key"])
        row = connection.execute(found.with_for_update()).first()
        if row is not None and row.deleted is not None:
            raise InputError(f"The object {facts['key'][:100]!r} is being deleted; upload it again.")
        asset_id = row.id if row is not None else new_asset_id()
        if row is None:
            values = {"user": user, "kind": kind, "key": facts["key"], "facts": facts, "kept": False, "created": now}
            connection.execute(insert(assets).values(id=asset_id, **values))
        used.add(asset_id)
    if used:
        connection.execute(insert(asset_uses), [{"job_id": job_id, "asset_id": asset_id} for asset_id in used])


def keep_asset(connection: Connection, asset: Asset, consent: Consent, new_consent: bool) -> None:
    """Records an asset that was uploaded for itself, under a consent. Raises InputError where it does not hold."""
    if new_consent:
        insert_consent(connection, consent)
    check_consent(find_consent(connection, consent.id), asset.user, asset.created)
    connection.execute(insert(assets).values(**vars(asset)))


def find_asset(connection: Connection, asset_id: str, user: str) -> Asset | None:
    """The user's asset, or None when it is not kept (any more)."""
    mine = (assets.c.id == asset_id, assets.c.user == user, assets.c.kept, assets.c.deleted.is_(None))
    row = connection.execute(select(assets).where(*mine)).first()
    return Asset(**row._mapping) if row is not None else None


def assets_of(connection: Connection, user: str, consent_ids: list[str] | None = None) -> list[Asset]:
    """The user's kept assets, newest first; of some consents only when they are named."""
    query = select(assets).where(assets.c.user == user, assets.c.kept, assets.c.deleted.is_(None))
    if consent_ids is not None:
        query = query.where(assets.c.consent_id.in_(consent_ids))
    return [Asset(**row._mapping) for row in connection.execute(query.order_by(assets.c.created.desc()))]


def let_go_of_job(connection: Connection, job_id: str, now: float) -> None:
    """Releases a job's inputs; those that nothing else uses are marked deleted."""
    mine = list(connection.execute(select(asset_uses.c.asset_id).where(asset_uses.c.job_id == job_id)).scalars())
    connection.execute(delete(asset_uses).where(asset_uses.c.job_id == job_id))
    _mark_unused(connection, mine, now)


def let_go_of_kept(connection: Connection, asset_ids: list[str], now: float) -> None:
    """Stops keeping assets; those that no job uses are marked deleted."""
    connection.execute(update(assets).where(assets.c.id.in_(asset_ids)).values(kept=False))
    _mark_unused(connection, asset_ids, now)


def _mark_unused(connection: Connection, asset_ids: list[str], now: float) -> None:
    unused = ~exists().where(asset_uses.c.asset_id == assets.c.id)
    mine = (assets.c.id.in_(asset_ids), ~assets.c.kept, assets.c.deleted.is_(None), unused)
    connection.execute(update(assets).where(*mine).values(deleted=now))


def deleted_assets(engine: Engine, limit: int = 500) -> list[Asset]:
    """Assets whose objects are to be deleted."""
    query = select(assets).where(assets.c.deleted.is_not(None)).order_by(assets.c.deleted).limit(limit)
    with autocommit(engine) as connection:
        return [Asset(**row._mapping) for row in connection.execute(query)]


def keys_of_assets(engine: Engine, user: str, prefix: str) -> set[str]:
    """Keys of the user's assets that begin with `prefix`."""
    mine = (assets.c.user == user, assets.c.key.startswith(prefix, autoescape=True))
    with autocommit(engine) as connection:
        return set(connection.execute(select(assets.c.key).where(*mine)).scalars())


def drop_asset(engine: Engine, asset_id: str) -> None:
    """Removes the row of an asset whose object is gone."""
    with autocommit(engine) as connection:
        connection.execute(delete(assets).where(assets.c.id == asset_id, assets.c.deleted.is_not(None)))
