"""Many queued jobs with a stub engine: throughput, latency, and what the queue itself costs.

200 jobs in `make test-services`, 1,000 by `make test-services LOAD_JOBS=1000`. Prints the figures of docs/fleet.md.
"""

import os
import resource
import statistics
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa

from sonic_core.fleet.broker import CeleryQueue, make_app
from sonic_core.fleet.submission import find_objects, submit
from sonic_core.fleet.sweeper import publish
from sonic_core.ledger.consents import record_consent
from sonic_core.ledger.ledger import Ledger
from sonic_core.storage.profiles import load_profile
from sonic_core.storage.stores import open_stores

pytestmark = pytest.mark.skipif(
    not (os.environ.get("SONIC_TEST_RABBITMQ") and os.environ.get("SONIC_TEST_POSTGRES")),
    reason="needs RabbitMQ and PostgreSQL (make test-services)",
)
JOBS = int(os.environ.get("SONIC_TEST_LOAD_JOBS", "200"))


def test_a_long_queue(tmp_path, portrait, speech, monkeypatch):
    server = sa.make_url(os.environ["SONIC_TEST_POSTGRES"])
    name = f"load_{uuid.uuid4().hex}"
    admin = sa.create_engine(server.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    admin.dispose()
    monkeypatch.setenv("SONIC_LEDGER", server.set(database=name).render_as_string(hide_password=False))
    monkeypatch.setenv("SONIC_STORAGE_CONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("SONIC_OSS_FOLDER", str(tmp_path / "objects"))
    monkeypatch.setenv("SONIC_TEST_LEASE", "30")
    ledger, stores = Ledger.open(), open_stores(load_profile())
    broker = os.environ["SONIC_TEST_RABBITMQ"]
    queue = CeleryQueue(make_app(broker))
    stores.inputs.put("inputs/u/shared/p.png", portrait), stores.inputs.put("inputs/u/shared/s.wav", speech)
    keys = {"image": "inputs/u/shared/p.png", "audio": "inputs/u/shared/s.wav"}
    materials = find_objects(stores, "u", keys, {})
    consent = record_consent(ledger.engine, "u", subject="s", subject_is_user=True, purpose="test", sources=[])

    start, cpu = time.monotonic(), time.process_time()
    for number in range(JOBS):
        job, _ = submit(
            ledger, job_id=f"load-{number:04d}", user="u", materials=materials, consent_id=consent.id, settings={}
        )
        publish(ledger, queue, job.id)
    submit_cpu, submit_seconds = (time.process_time() - cpu) / JOBS, (time.monotonic() - start) / JOBS

    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "OMP_NUM_THREADS": "1"}
    script = str(Path(__file__).with_name("worker_process.py"))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.time()
    with open(tmp_path / "log", "wb") as log:
        command = [sys.executable, script, "bytes_engine", broker]
        workers = [subprocess.Popen(command, env=environment, stdout=log, stderr=log) for _ in range(2)]
        try:
            while ledger.counts()["done"] < JOBS:
                waited = time.time() - begun
                assert waited < 60 + JOBS, f"waited {waited:.0f} s for {JOBS} jobs to be done: {ledger.counts()}"
                assert any(worker.poll() is None for worker in workers), "every worker ended by itself"
                time.sleep(0.5)
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                try:
                    worker.wait(30)
                except subprocess.TimeoutExpired:
                    worker.kill()
                    worker.wait(30)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worker_cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / JOBS
    jobs = ledger.find_all(limit=JOBS)
    first, last = min(job.started for job in jobs), max(job.finished for job in jobs)
    held = sorted(job.finished - job.started for job in jobs)

    # The queue's own part of a job: lease, two heartbeats, finish, each with its event; no storage, no engine.
    # CPU seconds grow when others use the cores' caches, so it is measured in ten rounds.
    rounds = []
    for number in range(10):
        cpu = time.process_time()
        for job_id in (f"own-{number}-{turn}" for turn in range(20)):
            submit(ledger, job_id=job_id, user="u", materials=materials, consent_id=consent.id, settings={})
            publish(ledger, queue, job_id)
            job = ledger.claim("w", 30, job_id)
            for progress in (0.3, 0.6):
                ledger.heartbeat(job.id, 1, 30, progress, "x")
            ledger.finish(job.id, 1, {"key": "k"}, {})
        rounds.append((time.process_time() - cpu) / 20)
    own_cpu = min(rounds)
    print(
        f"\nload test: {JOBS} jobs, 2 workers, stub engine: {JOBS / (last - first):.1f} jobs/s; "
        f"submit {submit_seconds * 1000:.1f} ms ({submit_cpu * 1000:.1f} ms CPU); lease to done p50 "
        f"{statistics.median(held) * 1000:.0f} ms, p95 {held[int(0.95 * JOBS)] * 1000:.0f} ms; CPU a job: "
        f"queue's own part {own_cpu * 1000:.1f} to {max(rounds) * 1000:.1f} ms, "
        f"whole worker with storage and start-up {worker_cpu * 1000:.1f} ms"
    )
    assert all(job.state == "done" and job.attempt == 1 for job in jobs)
    assert own_cpu < 0.020
