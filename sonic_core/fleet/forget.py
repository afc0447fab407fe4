"""Deletes the objects of what the ledger has let go: a job's videos, photos and voices nobody uses, broken uploads.

Any part may fail; the sweeper repeats it, and every step may be repeated safely. Knows the ledger and the stores.
"""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from sonic_core.errors import SonicError
from sonic_core.ledger import forgetting
from sonic_core.ledger.assets import Asset, deleted_assets, drop_asset, keys_of_assets
from sonic_core.ledger.jobs import Job
from sonic_core.ledger.ledger import Ledger
from sonic_core.ledger.reservations import Reservation, lapsed, release
from sonic_core.storage.keys import input_prefix, output_prefix, thumbnail_key
from sonic_core.storage.scratch import clear_abandoned
from sonic_core.storage.store import Store
from sonic_core.storage.stores import Stores

logger = logging.getLogger(__name__)

Item = TypeVar("Item")


def forget_job(ledger: Ledger, stores: Stores, job_id: str) -> None:
    """Cancels a job that is under way, and deletes its material at once where the store answers."""
    forgetting.forget_job(ledger, job_id)
    _delete_now(ledger, stores, [job_id])


def withdraw_consent(ledger: Ledger, stores: Stores, consent_id: str, user: str) -> list[str]:
    """Withdraws a consent, ends its jobs, deletes their material. Returns the job ids.

    A job that runs at this moment stops at its next heartbeat and deletes its own attempt; whatever a worker leaves
    that dies just then, the sweeper deletes.
    """
    affected = forgetting.withdraw_consent(ledger, consent_id, user)
    _delete_now(ledger, stores, affected)
    return affected


def withdraw_subject(ledger: Ledger, stores: Stores, subject: str, user: str) -> list[str]:
    """Withdraws every consent of a person. Returns the job ids."""
    affected = []
    for consent in forgetting.consents_of(ledger, user, subject, limit=100_000):
        affected += forgetting.withdraw_consent(ledger, consent.id, user)
    _delete_now(ledger, stores, affected)
    return affected


def _delete_now(ledger: Ledger, stores: Stores, job_ids: list[str]) -> None:
    for_each(job_ids, lambda job_id: delete_outputs(ledger, stores, ledger.get(job_id)))
    delete_assets(ledger, stores)
    clear_abandoned()


def for_each(items: Iterable[Item], work: Callable[[Item], int]) -> int:
    """The sum of `work` over all items. A failure is logged, and its item is left for the next sweep."""
    done = 0
    for item in items:
        try:
            done += work(item)
        except (OSError, SonicError) as error:
            logger.warning("something could not be deleted and is tried again: %s", error)
    return done


def delete_outputs(ledger: Ledger, stores: Stores, job: Job) -> int:
    """Deletes the thumbnail and all that a job's attempts made or half uploaded; returns how many videos."""
    prefix = output_prefix(job.user, job.id)
    found = [info.key for info in stores.outputs.list(prefix)]
    for key in found:
        stores.outputs.delete(key)
    stores.outputs.abort_uploads(prefix)
    stores.inputs.delete(thumbnail_key(job.user, job.id))
    ledger.mark([job.id], outputs_gone=ledger.clock())
    return len(found)


def delete_assets(ledger: Ledger, stores: Stores) -> int:
    """Deletes the objects of assets that have been let go; returns how many."""

    def delete(asset: Asset) -> int:
        stores.inputs.delete(asset.key)
        stores.inputs.abort_uploads(asset.key)
        drop_asset(ledger.engine, asset.id)
        return 1

    return for_each(deleted_assets(ledger.engine), delete)


def discard_upload(ledger: Ledger, stores: Stores, reservation: Reservation) -> int:
    """Deletes what a request stored without becoming a job, then gives up its place."""
    if ledger.find(reservation.job_id) is not None:
        return 0  # it became one after all
    prefix = input_prefix(reservation.user, reservation.job_id)
    used = keys_of_assets(ledger.engine, reservation.user, prefix)
    for info in list(stores.inputs.list(prefix)):
        if info.key not in used:
            stores.inputs.delete(info.key)
    stores.inputs.abort_uploads(prefix)
    release(ledger, reservation)
    return 1


def discard_lapsed(ledger: Ledger, stores: Stores) -> int:
    """Does the same for requests that died; returns how many."""
    return for_each(lapsed(ledger), lambda reservation: discard_upload(ledger, stores, reservation))


def delete_below(store: Store, prefix: str) -> None:
    for info in list(store.list(prefix)):
        store.delete(info.key)
    store.abort_uploads(prefix)
