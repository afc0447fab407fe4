"""Consent records: who agreed to have which face and voice animated, for what, until when.

A fleet job without one is refused; revoking one ends its jobs and (in `fleet/access.py`) deletes their
objects. Knows the table only.
"""

import time
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update

from sonic_core.errors import InputError
from sonic_core.ledger.tables import consents
from sonic_core.storage.keys import check_id

_MAX_PURPOSE = 500
_MAX_SUBJECT = 200


@dataclass(frozen=True)
class Consent:
    """subject: a pseudonym; sources: sha256 of each file it covers; times in seconds since 1970."""

    id: str
    user: str
    subject: str
    subject_is_user: bool
    face: bool
    voice: bool
    purpose: str
    sources: list[str]
    granted: float
    expires: float | None = None
    revoked: float | None = None


def make_consent(
    user: str,
    *,
    subject: str,
    subject_is_user: bool,
    purpose: str,
    sources: list[str],
    face: bool = True,
    voice: bool = True,
    expires: float | None = None,
) -> Consent:
    """A consent given now, not stored yet. Raises InputError where it covers nothing or says nothing."""
    check_id(user, "user")
    if not face or not voice:
        raise InputError("The consent must cover both the face and the voice that the video will show.")
    if not purpose.strip() or len(purpose) > _MAX_PURPOSE:
        raise InputError(f"The consent needs a purpose of 1 to {_MAX_PURPOSE} characters.")
    if not subject.strip() or len(subject) > _MAX_SUBJECT:
        raise InputError(f"The consent needs a subject (a pseudonym) of 1 to {_MAX_SUBJECT} characters.")
    now = time.time()
    if expires is not None and expires <= now:
        raise InputError("The consent has expired already.")
    return Consent(
        f"consent-{uuid.uuid4().hex}", user, subject, subject_is_user, face, voice, purpose, sources, now, expires
    )


def record_consent(engine: Engine, user: str, **said: Any) -> Consent:
    """Makes a consent (see `make_consent`) and stores it."""
    consent = make_consent(user, **said)
    with engine.begin() as connection:
        connection.execute(insert(consents).values(**vars(consent)))
    return consent


def find_consent(connection: Connection, consent_id: str) -> Consent | None:
    row = connection.execute(select(consents).where(consents.c.id == consent_id)).first()
    return Consent(**row._mapping) if row is not None else None


def mark_revoked(engine: Engine, consent_id: str, user: str) -> Consent:
    """Sets the time of revocation, once. Raises InputError where the user has no such consent."""
    with engine.begin() as connection:
        mine = (consents.c.id == consent_id, consents.c.user == user)
        connection.execute(update(consents).where(*mine, consents.c.revoked.is_(None)).values(revoked=time.time()))
        consent = find_consent(connection, consent_id)
    if consent is None or consent.user != user:
        raise InputError(f"You have no consent {consent_id[:100]!r}.")
    return consent
