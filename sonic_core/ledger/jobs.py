"""What a job is: the caller's part, the ledger's row, its id, and the wait between attempts.

Plain data; how rows change is in `ledger.py`.
"""

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

STATES = ("queued", "running", "done", "failed", "cancelled")
FINAL = ("done", "failed", "cancelled")
DEFAULT_MAX_ATTEMPTS = 5
_FIRST_BACKOFF, _LAST_BACKOFF = 5.0, 600.0  # seconds


@dataclass(frozen=True)
class NewJob:
    """What a caller says about a job. inputs: name -> {key, size, etag, crc64}."""

    id: str
    user: str
    inputs: dict[str, dict[str, Any]]
    consent_id: str
    settings: dict[str, Any] = field(default_factory=dict)
    batch: str | None = None
    webhook: str | None = None
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    name: str | None = None
    digest: str | None = None
    cost: float = 0.0
    priority: int = 0
    trace: str | None = None


@dataclass(frozen=True)
class Job:
    """A row of the ledger; see `tables.py` for the fields."""

    id: str
    user: str
    batch: str | None
    state: str
    attempt: int
    max_attempts: int
    lease_owner: str | None
    lease_expires: float | None
    cancel_requested: bool
    not_before: float
    published: float | None
    created: float
    started: float | None
    finished: float | None
    progress: float
    stage: str
    settings: dict[str, Any]
    inputs: dict[str, dict[str, Any]]
    output: dict[str, Any] | None
    timings: dict[str, float]
    error: str | None
    consent_id: str
    webhook: str | None
    swept: bool
    name: str | None = None
    digest: str | None = None
    cost: float = 0.0
    forgotten: float | None = None
    inputs_gone: float | None = None
    outputs_gone: float | None = None
    priority: int = 0
    trace: str | None = None


def new_job_id() -> str:
    """Time first, so that ids sort by age, then randomness that cannot be guessed."""
    return f"{int(time.time() * 1000):012x}-{uuid.uuid4().hex[:20]}"


def backoff(attempt: int) -> float:
    """Seconds to wait after the given attempt failed."""
    return min(_LAST_BACKOFF, _FIRST_BACKOFF * 2 ** (attempt - 1))
