"""Celery on RabbitMQ. It carries job ids only; the ledger knows everything else.

Acknowledged late, rejected when a worker is lost, one message at a time, JSON only. A message for a job that may
not be taken (done, cancelled, leased by another) is simply dropped: the sweeper publishes again when needed.
Knows a callback that runs a job id.
"""

import logging
from collections.abc import Callable
from typing import Any

from celery import Celery
from kombu import Queue as KombuQueue
from kombu.exceptions import OperationalError

from sonic_core.errors import SettingsError
from sonic_core.fleet.sweeper import QueueError

logger = logging.getLogger(__name__)

QUEUE = "sonic-jobs"
TASK = "sonic.run"


def make_app(url: str) -> Celery:
    """The Celery app on an AMQP address."""
    if not url.startswith(("amqp://", "amqps://")):
        raise SettingsError("SONIC_BROKER must be the address of a RabbitMQ, amqp://user:password@host/vhost.")
    app = Celery("sonic", broker=url, set_as_current=False)
    app.conf.update(
        task_default_queue=QUEUE,
        task_queues=[KombuQueue(QUEUE, durable=True)],
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # A solo worker sends no AMQP heartbeats during a job; a dead machine is noticed by the ledger's lease.
        broker_heartbeat=0,
        broker_transport_options={"confirm_publish": True},
        worker_hijack_root_logger=False,
    )
    return app


class CeleryQueue:
    """Publishes job ids; see `sweeper.Queue`."""

    def __init__(self, app: Celery):
        self.app = app

    def publish(self, job_id: str) -> None:
        try:
            self.app.send_task(TASK, args=[job_id], task_id=job_id, retry=False)
        except OperationalError as error:
            raise QueueError(type(error.__cause__ or error).__name__) from None

    def depth(self) -> int:
        """Number of messages that wait for a worker."""
        try:
            with self.app.connection_for_read(connect_timeout=5) as connection:
                return KombuQueue(QUEUE, durable=True).bind(connection.default_channel).queue_declare().message_count
        except (OSError, *self.app.connection().connection_errors) as error:
            raise QueueError(type(error).__name__) from None


def serve_queue(app: Celery, run_job: Callable[[str], Any], name: str) -> None:
    """Consumes the queue until the process is told to stop; runs one job at a time in this process."""

    @app.task(name=TASK)
    def run(job_id: str) -> None:
        run_job(job_id)

    app.worker_main(
        ["worker", "--pool=solo", "--loglevel=WARNING", f"--hostname={name}",
         "--without-gossip", "--without-mingle", "--without-heartbeat"]
    )  # fmt: skip
