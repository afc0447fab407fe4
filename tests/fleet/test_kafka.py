"""Kafka as an entrance, against the broker that librdkafka mocks in this process."""

import json
import threading

import pytest

confluent_kafka = pytest.importorskip("confluent_kafka")

from sonic_core.fleet import kafka  # noqa: E402
from sonic_core.storage.store import StorageError  # noqa: E402


@pytest.fixture
def mock():
    """A producer whose client carries a mock cluster; its address is in the cluster's metadata."""
    producer = confluent_kafka.Producer({"bootstrap.servers": "ignored", "test.mock.num.brokers": 1})
    brokers = producer.list_topics(timeout=20).brokers.values()
    return producer, ",".join(f"{broker.host}:{broker.port}" for broker in brokers)


def test_each_message_is_one_job_and_bad_ones_are_set_aside(
    mock, ledger, stores, portrait, speech, consent, monkeypatch
):
    producer, brokers = mock
    stores.inputs.put("inputs/u/o-1/p.png", portrait), stores.inputs.put("inputs/u/o-1/s.wav", speech)
    good = {
        "id": "o-1", "user": "u", "image": "inputs/u/o-1/p.png", "audio": "inputs/u/o-1/s.wav", "consent": consent.id
    }  # fmt: skip
    other = {**good, "id": "o-2", "settings": {"seed": 4}}
    foreign = {**good, "id": "o-3", "image": "inputs/v/o-1/p.png"}
    for body in (good, good, "not an object", foreign, {**good, "id": "o-4", "consent": "none"}, good, other):
        producer.produce("jobs", json.dumps(body).encode(), partition=0)  # one after another
    producer.flush(10)

    trouble, accept = [StorageError("the store is away")], kafka.accept

    def stumbling(*args):
        if trouble:
            raise trouble.pop()
        return accept(*args)

    monkeypatch.setattr(kafka, "accept", stumbling)
    monkeypatch.setattr(kafka, "_WAIT_SECONDS", 0.01)
    stop = threading.Event()
    thread = threading.Thread(target=kafka.consume, args=(ledger, stores, None, brokers, "jobs", "g", stop))
    thread.start()
    end = threading.Event()
    for _ in range(600):
        if ledger.find("o-2"):
            break
        end.wait(0.05)
    stop.set()
    thread.join(20)
    assert {job.id for job in ledger.find_all()} == {"o-1", "o-2"} and ledger.get("o-2").settings["seed"] == 4

    reader = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": "r", "auto.offset.reset": "earliest"})
    reader.subscribe(["jobs-refused"])
    reasons = []
    for _ in range(200):
        message = reader.poll(0.1)
        if message is not None and message.error() is None:
            reasons.append(dict(message.headers())["reason"].decode())
        if len(reasons) == 3:
            break
    reader.close()
    for said in ("not a JSON object", "not below inputs/u/", "needs a consent"):
        assert sum(said in reason for reason in reasons) == 1
    committed = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": "g"})
    place = committed.committed([confluent_kafka.TopicPartition("jobs", p) for p in range(4)], timeout=10)
    assert sum(max(p.offset, 0) for p in place) == 7
    committed.close()
