"""Repairs what dead workers, brokers and failed deletions leave behind.

Any number of sweepers may run; every step may be repeated safely.
Expired leases go back to the queue, jobs the broker lost are published again, objects of attempts that did not
win are deleted, and so is whatever was withdrawn, has expired or was kept long enough. Knows the ledger, the stores
and a queue with `publish`/`depth`.
"""

import logging
from collections.abc import Callable
from typing import Protocol

from sonic_core.fleet.forget import delete_assets, delete_outputs, discard_lapsed, for_each
from sonic_core.ledger import forgetting
from sonic_core.ledger.forgetting import Retention
from sonic_core.ledger.jobs import Job
from sonic_core.ledger.ledger import Ledger
from sonic_core.storage.folder import FolderStore
from sonic_core.storage.keys import attempt_prefix, output_prefix, thumbnail_key
from sonic_core.storage.scratch import clear_abandoned
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
    ledger: Ledger,
    stores: Stores,
    queue: Queue | None = None,
    grace_seconds: float = _GRACE_SECONDS,
    retention: Retention | None = None,
) -> dict[str, int]:
    """One round; returns how many jobs were requeued, failed, cancelled, published, and objects deleted.

    A step that fails does not keep the others from being done; the first failure is raised at the end.
    """
    retention = retention or Retention()
    counts: dict[str, int] = {}
    failures: list[Exception] = []

    def step(work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            logger.warning("a step of the sweep failed: %s", error)
            failures.append(error)

    step(lambda: _recover(ledger, counts))
    step(lambda: counts.update(published=publish_waiting(ledger, queue) if queue is not None else 0))
    step(lambda: counts.update(expired=forgetting.end_expired_consents(ledger)))
    step(lambda: _end_retention(ledger, stores, retention, grace_seconds))
    step(lambda: counts.update(deleted=delete_leftovers(ledger, stores, grace_seconds)))
    step(lambda: counts.update(assets=delete_assets(ledger, stores)))
    step(lambda: counts.update(uploads=discard_lapsed(ledger, stores)))
    step(lambda: counts.update(rows=forgetting.delete_old_rows(ledger, retention)))
    step(lambda: _clear_this_machine(stores))
    if failures:
        raise failures[0]
    return counts


def _recover(ledger: Ledger, counts: dict[str, int]) -> None:
    ended = ledger.recover()
    counts.update({state: len(ids) for state, ids in ended.items()})
    for job_id in ended["failed"]:
        logger.warning("job %s failed: %s", job_id, ledger.get(job_id).error)


def publish_waiting(ledger: Ledger, queue: Queue) -> int:
    """Publishes jobs that may run and were not published yet, and those that an empty queue has lost."""
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
    """Deletes objects of attempts that did not win, of jobs that ended a while ago; of forgotten jobs, all."""
    over = ledger.clock() - grace_seconds

    def delete(job: Job) -> int:
        forgotten = job.forgotten is not None
        deleted = delete_outputs(ledger, stores, job) if forgotten else _delete_others(job, stores)
        if job.finished is not None and job.finished <= over:
            ledger.mark([job.id], swept=True)
        return deleted

    return for_each(ledger.to_sweep(finished_before=over), delete)


def _delete_others(job: Job, stores: Stores) -> int:
    prefix = output_prefix(job.user, job.id)
    won = attempt_prefix(job.output["key"]) if job.output else None  # the video and its stream
    others = [found.key for found in stores.outputs.list(prefix) if won is None or not found.key.startswith(won)]
    for key in others:
        stores.outputs.delete(key)
    stores.outputs.abort_uploads(prefix)
    return len(others)


def _end_retention(ledger: Ledger, stores: Stores, retention: Retention, grace_seconds: float) -> None:
    def let_go(job_id: str) -> int:
        stores.inputs.delete(thumbnail_key(ledger.get(job_id).user, job_id))
        forgetting.let_inputs_go(ledger, job_id)
        return 1

    for_each(forgetting.inputs_due(ledger, retention, grace_seconds), let_go)
    forgetting.forget_old_videos(ledger, retention)


def _clear_this_machine(stores: Stores) -> None:
    clear_abandoned()
    for store in (stores.inputs, stores.outputs):
        if isinstance(store, FolderStore):
            store.clear_abandoned()
