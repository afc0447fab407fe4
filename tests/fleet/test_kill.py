"""Many jobs, three workers, `kill -9` every few seconds, storage failing 10 % of requests: each job done exactly once.

On RabbitMQ with PostgreSQL (the broker is restarted once), and on the ledger's lease alone with SQLite. 40 jobs of a
stub engine; 200 by `make test-services KILL_JOBS=200`, and with the engine that ships by `KILL_ENGINE=lite`. Prints
its figures, which docs/fleet.md quotes.
"""

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

pytest.importorskip("oss2")

import sqlalchemy as sa

from sonic_core.fleet.broker import CeleryQueue, make_app
from sonic_core.fleet.submission import find_objects, submit
from sonic_core.fleet.sweeper import QueueError, publish, sweep
from sonic_core.ledger.consents import record_consent
from sonic_core.ledger.ledger import Ledger
from sonic_core.storage.profiles import load_profile
from sonic_core.storage.stores import open_stores

pytestmark = pytest.mark.skipif(not os.environ.get("SONIC_TEST_SERVICES"), reason="needs make test-services")

JOBS = int(os.environ.get("SONIC_TEST_KILL_JOBS", "40"))
LITE = os.environ.get("SONIC_TEST_KILL_ENGINE") == "lite"
# A worker with the real engine needs its time to start; lease, kills and limit follow from that.
ENGINE, LEASE, BETWEEN_KILLS, JOB_LIMIT = (
    ("lite_engine", 10, (20, 30), 60) if LITE else ("slow_bytes_engine", 4, (4, 8), 6)
)
SETTINGS = {"preset": "fast", "min_resolution": 256, "inference_steps": 4} if LITE else {}
WORKERS = 3


class Workers:
    """Worker processes that are killed and started again."""

    def __init__(self, arguments, environment, log):
        self.arguments, self.environment, self.log = arguments, environment, log
        self.processes = [self.start() for _ in range(WORKERS)]
        self.kills = 0

    def start(self):
        script = Path(__file__).with_name("worker_process.py")
        return subprocess.Popen(
            [sys.executable, str(script), *self.arguments], env=self.environment, stdout=self.log, stderr=self.log
        )

    def kill_one(self, owners, chance):
        """Kills one of those that hold a job at this moment; one that only starts would prove nothing."""
        pids = [owner.rsplit("-", 2)[1] for owner in owners]
        busy = [n for n, process in enumerate(self.processes) if str(process.pid) in pids]
        if busy:
            number = chance.choice(busy)
            self.processes[number].send_signal(signal.SIGKILL)
            self.processes[number].wait()
            self.processes[number] = self.start()
            self.kills += 1

    def stop(self):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()


@pytest.fixture(params=["rabbitmq", "ledger"])
def place(request, tmp_path, oss, monkeypatch):
    """(ledger, stores, broker address or None); everything by environment, as the workers find it."""
    broker, url = None, f"sqlite:///{tmp_path}/kill.sqlite"
    if request.param == "rabbitmq":
        broker = os.environ.get("SONIC_TEST_RABBITMQ")
        if not broker or not os.environ.get("SONIC_TEST_POSTGRES"):
            pytest.skip("needs RabbitMQ and PostgreSQL")
        name = f"kill_{uuid.uuid4().hex}"
        server = sa.make_url(os.environ["SONIC_TEST_POSTGRES"])
        admin = sa.create_engine(server.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        admin.dispose()
        url = server.set(database=name).render_as_string(hide_password=False)
    monkeypatch.setenv("SONIC_LEDGER", url)
    return Ledger.open(), open_stores(load_profile()), broker


def test_nothing_is_lost_and_nothing_done_twice(place, oss, tmp_path, portrait_path, a_second_of_speech):
    ledger, stores, broker = place
    queue = CeleryQueue(make_app(broker)) if broker else None
    stores.inputs.put("inputs/u/shared/p.jpg", portrait_path)
    stores.inputs.put("inputs/u/shared/s.wav", a_second_of_speech)
    keys = {"image": "inputs/u/shared/p.jpg", "audio": "inputs/u/shared/s.wav"}
    materials = find_objects(stores, "u", keys, {})
    consent = record_consent(ledger.engine, "u", subject="s", subject_is_user=True, purpose="test", sources=[])
    ids = [f"kill-{number:04d}" for number in range(JOBS)]
    for job_id in ids:
        submit(ledger, job_id=job_id, user="u", materials=materials, consent_id=consent.id, settings=SETTINGS)
        if queue is not None:
            publish(ledger, queue, job_id)

    # Three workers, one of them killed in mid-job every few seconds, can look like poison; that is tested elsewhere.
    ledger.mark(ids, max_attempts=50)
    oss.fail_rate = 0.1
    chance, start, restarted = random.Random(7), time.monotonic(), False
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "SONIC_TEST_LEASE": str(LEASE)}
    environment["TMPDIR"] = str(tmp_path)  # a killed worker leaves its folder behind
    limit = 120 + JOB_LIMIT * JOBS
    with open(tmp_path / "workers.log", "wb") as log:
        workers = Workers([ENGINE, *([broker] if broker else [])], environment, log)
        try:
            while (done := ledger.counts()["done"]) < JOBS:
                waited = time.monotonic() - start
                assert waited < limit, f"waited {waited:.0f} s for {JOBS} jobs to be done: {ledger.counts()}"
                time.sleep(chance.uniform(*BETWEEN_KILLS))
                assert any(process.poll() is None for process in workers.processes), "every worker ended by itself"
                workers.kill_one([job.lease_owner for job in ledger.find_all(state="running")], chance)
                if broker and not restarted and done > JOBS // 3:
                    restart = os.environ["SONIC_TEST_RABBITMQ_RESTART"]
                    subprocess.run([restart], check=True, capture_output=True, timeout=120)
                    restarted = True
        finally:
            seconds = time.monotonic() - start
            workers.stop()
    assert workers.kills >= min(JOBS // 20, 5) and (restarted or not broker)

    failed_requests = sum(r.startswith("503") for r in oss.refused)
    leftovers = len(oss.buckets["results"].visible()) - JOBS
    oss.fail_rate = 0.0
    try:
        sweep(ledger, stores, queue, grace_seconds=0)
    except QueueError:
        pytest.fail("the broker did not come back")
    jobs = [ledger.get(job_id) for job_id in ids]
    events = {job.id: [e["kind"] for e in ledger.events(job.id)] for job in jobs}
    assert all(job.state == "done" for job in jobs)
    assert all(kinds.count("done") == 1 for kinds in events.values())
    objects = oss.buckets["results"].visible()
    assert sorted(objects) == sorted(job.output["key"] for job in jobs), "one visible output each, no orphans"
    for job in jobs:
        info = stores.outputs.head(job.output["key"])
        assert (str(info.crc64), info.size) == (job.output["crc64"], job.output["size"]), "ledger and bucket agree"
        names_job = f'"ProduceID":"{job.id}"' if LITE else f"video of {job.id}\n"
        assert names_job.encode() in objects[job.output["key"]]
    everything = (tmp_path / "workers.log").read_text() + json.dumps([vars(job) for job in jobs]) + json.dumps(events)
    assert "canary" not in everything, "a credential reached a log or the ledger"
    attempts = [job.attempt for job in jobs]
    print(
        f"\nkill test on {'RabbitMQ + PostgreSQL' if broker else 'the ledger lease, SQLite'}: "
        f"{JOBS} jobs ({'lite' if LITE else 'stub engine'}) in {seconds:.0f} s, "
        f"{workers.kills} kills, broker restarts {int(restarted)}, requests refused on purpose {failed_requests}, "
        f"attempts: mean {statistics.mean(attempts):.2f}, most {max(attempts)}; orphans swept {leftovers}"
    )
