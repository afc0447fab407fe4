"""Repairs what dead workers, brokers and failed deletions leave behind. Any number may run; each step is safe twice.

Expired leases go back to the queue, jobs the broker lost are published again, objects of attempts that did not
win are deleted. Knows the ledger, the stores and a queue with `publish`/`depth`.
"""

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from sonic_core.ledger.jobs import Job
from sonic_core.ledger.ledger import Ledger
from sonic_core.storage.keys import output_prefix
from sonic_core.storage.store import StorageError
from sonic_core.storage.stores import Stores

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 5.0
_REPUBLISH_SECONDS = 60.0  # a published job may wait this long before an empty queue makes it look lost
_GRACE_SECONDS = 120.0  # after a job ended, before its leftovers are looked for: no attempt can still upload


class Queue(Protocol):
    """A broker that carries job ids. Both raise QueueError when it does not answer."""

    def publish(self, job_id: str) -> None: ...

    def depth(self) -> int: ...


class QueueError(Exception):
    """The broker does not answer; the job is in the ledger and will be published later."""


def sweep(
    ledger: Ledger, stores: Stores, queue: Queue | None = None, grace_seconds: float = _GRACE_SECONDS
) -> dict[str, int]:
    """One round; says how many jobs were requeued, failed, cancelled, published, and objects deleted."""
    ended = ledger.recover()
    counts = {state: len(ids) for state, ids in ended.items()}
    for job_id in ended["failed"]:
        logger.warning("job %s failed: %s", job_id, ledger.get(job_id).error)
    counts["published"] = publish_waiting(ledger, queue) if queue is not None else 0
    counts["deleted"] = delete_leftovers(ledger, stores, grace_seconds)
    return counts


def publish_waiting(ledger: Ledger, queue: Queue) -> int:
    """Publishes jobs that may run and whose id is not on its way; also those that an empty queue has lost."""
    due = ledger.to_publish()
    try:
        stale = ledger.to_publish(published_before=ledger.clock() - _REPUBLISH_SECONDS)
        if stale and queue.depth() == 0:
            due += stale
        for job_id in due:
            publish(ledger, queue, job_id)
    except QueueError as error:
        logger.warning("the broker does not answer (%s); jobs wait in the ledger", error)
    return len(due)


def publish(ledger: Ledger, queue: Queue, job_id: str) -> None:
    queue.publish(job_id)
    ledger.mark([job_id], published=ledger.clock())


def delete_leftovers(ledger: Ledger, stores: Stores, grace_seconds: float) -> int:
    """Deletes objects of attempts that did not win, of jobs that ended a while ago."""
    deleted = 0
    for job in ledger.to_sweep(finished_before=ledger.clock() - grace_seconds):
        try:
            deleted += _delete_others(job, stores)
        except StorageError as error:
            logger.warning("leftovers of job %s could not be deleted: %s", job.id, error)
            continue
        ledger.mark([job.id], swept=True)
    return deleted


def _delete_others(job: Job, stores: Stores) -> int:
    won = job.output["key"] if job.output else None
    others = [found.key for found in stores.outputs.list(output_prefix(job.user, job.id)) if found.key != won]
    for key in others:
        stores.outputs.delete(key)
    return len(others)


def run_sweeper(work: Callable[[], object], stop: threading.Event, seconds: float = SWEEP_SECONDS) -> None:
    """Calls `work` every few seconds until `stop` is set. A round that fails is logged; the next may do better."""
    from sqlalchemy.exc import DBAPIError

    while not stop.wait(seconds):
        try:
            work()
        except (DBAPIError, StorageError) as error:
            logger.warning("a sweep failed: %s", type(error).__name__)
