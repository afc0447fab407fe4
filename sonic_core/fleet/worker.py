"""A worker takes a job, downloads, generates, uploads and finishes by compare-and-set, and renews its lease meanwhile.

It may die at any moment. Whatever it leaves behind is repaired by others: the lease runs out and the job is
queued again, and objects of attempts that did not win are deleted (`sweeper.py`). Knows the ledger, the stores
and an engine function; no broker.
"""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sonic_core.errors import SonicError
from sonic_core.fleet.backends import Engine, EngineUnavailable, Task
from sonic_core.fleet.forget import delete_below
from sonic_core.fleet.lease import JobStopped, Lease
from sonic_core.fleet.loops import Loop
from sonic_core.fleet.segments import SegmentUpload
from sonic_core.fleet.submission import MAX_BYTES, facts_of, needed_sound, record, video_name
from sonic_core.fleet.tracing import span
from sonic_core.ledger.jobs import Job
from sonic_core.ledger.ledger import Ledger
from sonic_core.request import Request
from sonic_core.storage.keys import attempt_prefix, output_key, sanitize_name, suffix_of
from sonic_core.storage.scratch import scratch_folder
from sonic_core.storage.store import ObjectNotFound, StorageError
from sonic_core.storage.stores import Stores

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
JOB_SECONDS = 6 * 3600.0
_AWAY_SECONDS = 5.0
_SAY_SECONDS = 15.0


class Worker:
    """Runs one job at a time. `engine` makes the video; `name` identifies the holder of a lease.

    While `ready` says no (ComfyUI is down), no job is taken: a worker that only fails would use up everybody's
    attempts. Nor does it then count as a live worker.
    """

    def __init__(
        self,
        ledger: Ledger,
        stores: Stores,
        engine: Engine,
        *,
        engine_name: str = "core",
        name: str | None = None,
        lease_seconds: float = LEASE_SECONDS,
        job_seconds: float = JOB_SECONDS,
        ready: Callable[[], bool] = lambda: True,
    ):
        self.ledger, self.stores, self.engine = ledger, stores, engine
        self.engine_name = engine_name
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.lease_seconds, self.job_seconds, self.ready = lease_seconds, job_seconds, ready
        self.loop: Loop | None = None  # once it runs
        self._job: Job | None = None  # what it works on
        self._lease: Lease | None = None
        self._said: tuple[float, str | None] | None = None  # when it told the ledger that it lives, and its job then

    def run_one(self, job_id: str | None = None) -> Job | None:
        """Takes and runs one job (the given one, if it may be taken); None when there is none."""
        job = self.ledger.claim(self.name, self.lease_seconds, job_id)
        if job is None:
            return None
        self._job = job
        logger.info("job %s: attempt %d", job.id, job.attempt)
        try:
            with span("job", job.trace, job=job.id, attempt=job.attempt):
                self._carry_out(job)
        except JobStopped as stop:
            if str(stop) == "told to end":
                self.ledger.hand_back(job.id, job.attempt)
            else:
                late = f"The job took longer than the {self.job_seconds / 3600:g} h a worker gives it."
                self.ledger.fail(job.id, job.attempt, late if str(stop) == "late" else "cancelled", retry=False)
            logger.info("job %s: attempt %d stopped (%s)", job.id, job.attempt, stop)
        except EngineUnavailable as error:
            self.ledger.fail(job.id, job.attempt, str(error), retry=True)
        except StorageError as error:
            missing = isinstance(error, ObjectNotFound)  # waiting does not bring a missing input back
            self.ledger.fail(job.id, job.attempt, str(error), retry=not missing)
        except SonicError as error:
            self.ledger.fail(job.id, job.attempt, str(error), retry=False)
        except Exception as error:  # the outermost frame of a job: whatever went wrong must reach the ledger
            logger.exception("job %s: attempt %d failed", job.id, job.attempt)
            self.ledger.fail(job.id, job.attempt, f"{type(error).__name__} in the worker; see its log.", retry=True)
        finally:
            try:
                self._discard_unless_won(job)
            finally:
                self._job = self._lease = None
        return self.ledger.get(job.id)

    @property
    def job_id(self) -> str | None:
        return self._job.id if self._job is not None else None

    def run(self, stop: threading.Event, poll_seconds: float = 1.0) -> None:
        """Leases jobs from the ledger, oldest first, until `stop` is set. Outlives whatever goes wrong in a turn."""
        self.loop = Loop("the worker", self.turn, stop, poll_seconds)
        self.loop.run()

    def start(self, stop: threading.Event, poll_seconds: float = 1.0) -> Loop:
        """`run` on a thread of its own."""
        self.loop = Loop("the worker", self.turn, stop, poll_seconds)
        return self.loop.start()

    def turn(self) -> bool:
        """Runs a job if there is one and returns True; otherwise only reports that this worker is alive."""
        self.say_alive()
        return self.ready() and self.run_one() is not None

    def run_announced(self, job_id: str) -> None:
        """Runs a job because a broker announced one: the job whose turn it is, which may be another.

        There are as many messages as jobs, so that each gets its turn. While the engine is away the announced job is
        left to the next announcement.
        """
        if self.ready():
            self.run_one()
        else:
            logger.warning("job %s is left to others: the engine does not answer", job_id)
            time.sleep(_AWAY_SECONDS)  # else this worker would drain the whole queue
            self.ledger.mark([job_id], published=None)

    def say_alive(self) -> None:
        """Reports to the ledger now and then that this worker lives and what it works on."""
        now = time.monotonic()
        due = self._said is None or now - self._said[0] > _SAY_SECONDS or self._said[1] != self.job_id
        if due and (self.job_id is not None or self.ready()):
            self.ledger.worker_seen(self.name, self.engine_name, self.job_id)
            self._said = now, self.job_id

    def hand_back(self, wait_seconds: float = 5.0) -> None:
        """Stops the job under way and queues it again at once, without counting the attempt: this process must end."""
        job, lease = self._job, self._lease
        if job is None or lease is None:
            return
        lease.stop("told to end")
        end = time.monotonic() + wait_seconds
        while self._job is job and time.monotonic() < end:
            time.sleep(0.05)
        if self._job is job:  # in a long step; its result will find the attempt overtaken
            self.ledger.hand_back(job.id, job.attempt)

    def _on_beat(self) -> None:
        self.say_alive()
        if self.loop is not None:
            self.loop.went_well()

    def _carry_out(self, job: Job) -> None:
        timings: dict[str, float] = {}
        with (
            scratch_folder() as folder,
            Lease(self.ledger, job, self.lease_seconds, self.job_seconds, self._on_beat) as lease,
        ):
            self._lease = lease
            with timed(timings, "download"):
                files = self._download(job, folder, lease)
                until = needed_sound(job.settings, dubs="video" in files)
                for kind, path in files.items():
                    facts_of(kind, path, until)  # refused as at every other entrance
            name = video_name(job.settings)
            output, request = folder / name, Request.parse(job.settings)
            if "background" in files:
                finishing = replace(request.finishing, background=str(files["background"]))
                request = replace(request, finishing=finishing)
            with timed(timings, "generate"), self._stream(job) as stream:
                streamed = stream if output.suffix == ".mp4" else None  # a stream cannot be transparent
                picture = files.get("video") or files["image"]
                task = Task(
                    job.id, picture, files["audio"], request, output, lease.report, streamed, dubs="video" in files
                )
                timings.update(self.engine(task))
            lease.report("uploading", 0.99)
            with timed(timings, "upload"):
                made = self.stores.outputs.put(
                    output_key(job.user, job.id, job.attempt, name),
                    output,
                    content_type=f"video/{output.suffix[1:]}",
                    disposition=f'inline; filename="{sanitize_name(job.id)}{output.suffix}"',
                    on_step=lambda done, total, preview=None: lease.report("uploading", 0.99),
                )
            if not self.ledger.finish(job.id, job.attempt, record(made), timings):
                raise JobStopped("overtaken at the end")

    def _stream(self, job: Job) -> SegmentUpload:
        return SegmentUpload(self.stores.outputs, lambda name: output_key(job.user, job.id, job.attempt, name))

    def _download(self, job: Job, folder: Path, lease: Lease) -> dict[str, Path]:
        """The job's inputs by their names."""
        paths = {}
        for name, source in job.inputs.items():
            lease.report("downloading", 0.0)
            paths[name] = folder / f"{name}{suffix_of(source['key']) or '.bin'}"
            crc = int(source["crc64"]) if source.get("crc64") else None
            limit = MAX_BYTES[name]
            self.stores.inputs.get(source["key"], paths[name], max_bytes=limit, crc64=crc, on_step=_stopping(lease))
        return paths

    def _discard_unless_won(self, job: Job) -> None:
        """Deletes this attempt's video and stream unless the ledger names it as the result.

        Asked of the ledger and not remembered: the answer to our own `finish` may have been lost.
        """
        key = output_key(job.user, job.id, job.attempt, video_name(job.settings))
        output = self.ledger.get(job.id).output
        if output is not None and output["key"] == key:
            return
        try:
            delete_below(self.stores.outputs, attempt_prefix(key))
        except StorageError as error:
            logger.warning("job %s: an unwanted result was not deleted (%s); the sweeper will", job.id, error)


@contextmanager
def timed(timings: dict[str, float], name: str) -> Iterator[None]:
    """Notes the seconds of a block under a name, in the job's timings and in its trace."""
    start = time.perf_counter()
    try:
        with span(name):
            yield
    finally:
        timings[name] = round(time.perf_counter() - start, 3)


def _stopping(lease: Lease) -> Callable[..., Any]:
    return lambda done, total, preview=None: lease.report("downloading", 0.0)
