"""Consent records: who agreed to have which face and voice animated, for what purpose, until when.

A fleet job without one is refused; what withdrawing one means is in `forgetting.py`. Knows the table only.
"""

import math
import time
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, insert, select

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
    now: float | None = None,
) -> Consent:
    """A new consent, not stored yet. Raises InputError without a face and a voice, a purpose or a subject."""
    check_id(user, "user")
    if not face or not voice:
        raise InputError("The consent must cover both the face and the voice that the video will show.")
    if not purpose.strip() or len(purpose) > _MAX_PURPOSE:
        raise InputError(f"The consent needs a purpose of 1 to {_MAX_PURPOSE} characters.")
    if not subject.strip() or len(subject) > _MAX_SUBJECT:
        raise InputError(f"The consent needs a subject (a pseudonym) of 1 to {_MAX_SUBJECT} characters.")
    now = time.time() if now is None else now
    if expires is not None and not math.isfinite(expires):
        raise InputError("The consent's expires must be a number of seconds since 1970.")
    if expires is not None and expires <= now:
        raise InputError("The consent has expired already.")
    return Consent(
        f"consent-{uuid.uuid4().hex}", user, subject, subject_is_user, face, voice, purpose, sources, now, expires
    )


def record_consent(engine: Engine, user: str, **said: Any) -> Consent:
    """Makes a consent (see `make_consent`) and stores it."""
    consent = make_consent(user, **said)
    with engine.begin() as connection:
        insert_consent(connection, consent)
    return consent


def insert_consent(connection: Connection, consent: Consent) -> None:
    connection.execute(insert(consents).values(**vars(consent)))


def check_consent(consent: Consent | None, user: str, now: float) -> Consent:
    """The consent, if it belongs to this user and still holds; raises InputError otherwise."""
    if consent is None or consent.user != user:
        raise InputError("A job needs a consent record of the same user; there is none with this id.")
    if consent.revoked is not None:
        raise InputError(f"The consent {consent.id} has been revoked.")
    if consent.expires is not None and consent.expires <= now:
        raise InputError(f"The consent {consent.id} has expired.")
    return consent


def find_consent(connection: Connection, consent_id: str) -> Consent | None:
    row = connection.execute(select(consents).where(consents.c.id == consent_id)).first()
    return Consent(**row._mapping) if row is not None else None
