"""What every route works on, and who is calling."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from fastapi import HTTPException, Request

from sonic_core.fleet.loops import Loop
from sonic_core.fleet.sweeper import Queue, QueueError, publish
from sonic_core.ledger.jobs import Job
from sonic_core.ledger.ledger import Ledger
from sonic_core.ledger.reservations import Limits
from sonic_core.service import api_keys
from sonic_core.service.live_host import LiveHost
from sonic_core.service.local import LocalDoor, api_key
from sonic_core.service.slots import Slots
from sonic_core.storage.stores import Stores

logger = logging.getLogger(__name__)

LOCAL_USER = "local"


@dataclass(frozen=True)
class Service:
    """What the routes work on. `local`: the door without an API key for this very machine (serve --all-in-one).

    `loops` are those of this process, whose health `/ready` tells; `stop` is set when the process ends.
    """

    ledger: Ledger
    stores: Stores
    queue: Queue | None = None
    limits: Limits = field(default_factory=Limits)
    local: LocalDoor | None = None
    loops: Sequence[Loop] = ()
    stop: threading.Event = field(default_factory=threading.Event)
    fetches: Slots = field(default_factory=lambda: Slots("downloads by URL", 4, 32))
    streams: Slots = field(default_factory=lambda: Slots("streams of events", 20, 500))
    looks: Slots = field(default_factory=lambda: Slots("photos looked at", 4, 32))
    live: LiveHost | None = None  # for live talks in this process

    def user(self, request: Request) -> str:
        """The user of the request's API key, or the person at this machine. Raises 401 for anybody else."""
        if self.local is not None and self.local.admits(request):
            return LOCAL_USER
        key = api_key(request)
        if not key:
            raise HTTPException(401, "Send an API key: Authorization: Bearer <key>.", {"WWW-Authenticate": "Bearer"})
        found = api_keys.user_of(self.ledger, key)
        if found is None:
            raise HTTPException(401, "The API key is not known.", {"WWW-Authenticate": "Bearer"})
        return found

    def own(self, job_id: str, user: str) -> Job:
        """The user's job. Raises 404."""
        job = self.ledger.find(job_id)
        if job is None or job.user != user:
            raise HTTPException(404, f"There is no job {job_id[:100]!r}.")
        return job

    def announce(self, job: Job) -> None:
        """Publishes the job. When the broker is down, the sweeper does so later."""
        if self.queue is not None:
            try:
                publish(self.ledger, self.queue, job.id)
            except QueueError as error:
                logger.warning("job %s waits in the ledger: the broker does not answer (%s)", job.id, error)

    def trouble(self) -> str | None:
        """What is wrong with this process' loops; None when all are well."""
        return next((found for loop in self.loops if (found := loop.trouble())), None)
