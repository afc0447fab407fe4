"""Jobs from Kafka: consume, insert once by id, commit.

Kafka carries the announcement; the job itself lives in the ledger.
A message is JSON: `{"id", "user", "image": key, "audio": key, "background": key, "consent": id, "settings": {...},
"webhook": url}`, with `"video": key` in place of `image` where a video is dubbed; `background` (a picture behind the
person), `settings` and `webhook` may be left out.
The same message twice is one job. What can never become a job goes to the topic `<topic>-refused` with its reason;
while the ledger or the store does not answer, the consumer waits and commits nothing.
"""

import logging
import threading
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from sqlalchemy.exc import SQLAlchemyError

from sonic_core.errors import InputError, SonicError
from sonic_core.fleet.strict_json import parse_json
from sonic_core.fleet.submission import WORDS, find_objects, submit
from sonic_core.fleet.sweeper import Queue, QueueError, publish
from sonic_core.fleet.webhooks import check_webhook
from sonic_core.ledger.ledger import Ledger
from sonic_core.storage.store import ObjectNotFound, StorageError
from sonic_core.storage.stores import Stores

logger = logging.getLogger(__name__)

_WAIT_SECONDS = 2.0


def consume(
    ledger: Ledger,
    stores: Stores,
    queue: Queue | None,
    brokers: str,
    topic: str,
    group: str,
    stop: threading.Event,
    **options: Any,
) -> None:
    """Takes messages until `stop` is set. `options` go to librdkafka (TLS, SASL)."""
    settings = {"bootstrap.servers": brokers, **options}
    consumer = Consumer({**settings, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    refused = Producer(settings)
    consumer.subscribe([topic])
    try:
        while not stop.is_set():
            message = consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    logger.warning("kafka: %s", error.str())
                continue
            handled = _handle(ledger, stores, queue, message, refused, topic)
            while not handled and not stop.wait(_WAIT_SECONDS):
                handled = _handle(ledger, stores, queue, message, refused, topic)
            if handled:
                try:
                    consumer.commit(message=message, asynchronous=False)
                except KafkaException as error:  # the same message comes again, and is the same job
                    logger.warning("kafka: a message was not committed: %s", error)
    finally:
        refused.flush(5)
        consumer.close()


def _handle(
    ledger: Ledger, stores: Stores, queue: Queue | None, message: Message, refused: Producer, topic: str
) -> bool:
    """Whether the message has been dealt with and may be committed."""
    try:
        job, new = accept(ledger, stores, message.value() or b"")
    except (SQLAlchemyError, StorageError) as error:
        if not isinstance(error, ObjectNotFound):
            logger.warning("kafka: waiting, for the ledger or the store do not answer (%s)", type(error).__name__)
            return False
        reason = str(error)
    except SonicError as error:
        reason = str(error)
    except Exception as error:  # a message that breaks us must not stop those behind it
        logger.exception("kafka: a message broke the consumer")
        reason = f"{type(error).__name__} in the service; see its log."
    else:
        if new and queue is not None:
            try:
                publish(ledger, queue, job.id)
            except QueueError as error:
                logger.warning("job %s waits in the ledger: the broker does not answer (%s)", job.id, error)
        return True
    logger.warning("kafka: a message was refused: %s", reason)
    refused.produce(f"{topic}-refused", message.value(), key=message.key(), headers={"reason": reason.encode()})
    refused.flush(5)
    return True


def accept(ledger: Ledger, stores: Stores, body: bytes) -> Any:
    """(job, whether it is new) from a message's body. Raises SonicError kinds."""
    given = parse_json(body, "message")
    names = ("id", "user", "audio", "consent")
    if not isinstance(given, dict) or not all(isinstance(given.get(name), str) for name in names):
        raise InputError(f"The message is not a JSON object with the texts {', '.join(names)}.")
    webhook = given.get("webhook") or None
    if webhook is not None:
        if not isinstance(webhook, str):
            raise InputError("The webhook of the message must be an address.")
        check_webhook(webhook)
    known = ledger.find(given["id"])
    if known is not None and known.user == given["user"]:
        return known, False
    optional = ("image", "video", "background")
    keys = {"audio": given["audio"], **{kind: given[kind] for kind in optional if given.get(kind)}}
    for kind, key in keys.items():
        if not isinstance(key, str):
            raise InputError(f"The {WORDS[kind]} of the message must be the key of an object in the store.")
    settings = given.get("settings") or {}
    materials = find_objects(stores, given["user"], keys, settings)
    return submit(
        ledger, job_id=given["id"], user=given["user"], materials=materials, consent_id=given["consent"],
        settings=settings, webhook=webhook,
    )  # fmt: skip
