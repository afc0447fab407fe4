"""The process and its machine: told to end, the disk full, clocks that disagree, loops that died."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from fleet_stubs import stub_engine
from live_server import ROOT, command, serving, wait_for

from sonic_core.fleet.loops import Loop
from sonic_core.fleet.sweeper import sweep
from sonic_core.ledger.database import open_database
from sonic_core.ledger.ledger import Ledger
from sonic_core.service.app import Service

SERVE = str(Path(__file__).with_name("serve_process.py"))


def test_told_to_end_it_hands_its_job_back_at_once(tmp_path, portrait, speech):
    """Each deploy cost 0.1.0 an attempt and 31 s: uvicorn raised the signal again and the process was gone."""
    place = tmp_path / "machine"
    place.mkdir()
    ledger = Ledger(open_database(f"sqlite:///{place}/ledger.sqlite"))
    with command(place, "--all-in-one", script=SERVE, SONIC_TEST_ENGINE="endless_engine") as serve:
        files = {"image": portrait.read_bytes(), "audio": speech.read_bytes()}
        consent = {"consent": '{"agreed": true, "subject": "s", "purpose": "p"}'}
        job_id = serve.client.post("/jobs", files=files, data=consent).json()["id"]
        wait_for(lambda: ledger.get(job_id).stage == "rendering")
        with serve.client.stream("GET", f"/jobs/{job_id}/events"):  # somebody watches
            serve.process.send_signal(signal.SIGTERM)
            wait_for(lambda: ledger.get(job_id).state == "queued", 15)
        assert serve.process.wait(30) == 0
    job = ledger.get(job_id)
    assert (job.state, job.attempt, job.max_attempts, job.error) == ("queued", 1, 6, None)
    assert not list((place / "tmp").iterdir()), "no photo stays behind"
    assert ledger.claim("next", 30).id == job_id


def test_a_worker_told_to_end_hands_its_job_back(tmp_path, ledger, stores, add_job):
    script = str(Path(ROOT) / "tests/fleet/worker_process.py")
    environment = {
        **os.environ, "PYTHONPATH": ROOT, "SONIC_LEDGER": str(ledger.engine.url), "SONIC_TEST_LEASE": "30",
        "SONIC_OSS_FOLDER": str(stores.inputs.root), "SONIC_STORAGE_CONFIG": str(tmp_path / "none"),
    }  # fmt: skip
    ledger.clock = time.time
    job_id = add_job()
    process = subprocess.Popen([sys.executable, script, "endless_engine"], env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: ledger.get(job_id).stage == "rendering")
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: ledger.get(job_id).state == "queued", 15)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("where", ["store", "scratch"])
def test_a_full_disk_is_a_507_with_a_sentence(client, url, service, portrait, speech, tmp_path, monkeypatch, where):
    """A file system of 300 kB, where root may mount one."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(small)]
    mounted = subprocess.run(mount, capture_output=True).returncode == 0
    try:
        if not mounted:
            pytest.skip("needs to mount a small file system")
        if where == "store":
            monkeypatch.setattr(service.stores.inputs, "root", small)
        else:
            monkeypatch.setattr("tempfile.tempdir", str(small))
        voice = speech.read_bytes() + bytes(2 << 20)
        files = {"image": portrait.read_bytes(), "audio": voice}
        consent = {"consent": '{"agreed": true, "subject": "s", "purpose": "p"}'}
        for _ in range(2):
            answer = client.post("/jobs", files=files, data=consent)
            assert answer.status_code == 507 and "room" in answer.json()["detail"], answer.text
        assert not [path for path in small.rglob("*") if path.is_file()], "nothing half stays"
        monkeypatch.undo()
        assert client.post("/jobs", files={**files, "audio": speech.read_bytes()}, data=consent).status_code == 202
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_full_ledger_is_a_507_too(client, portrait, speech, monkeypatch):
    import sqlite3

    from sqlalchemy.exc import OperationalError

    def full(*_, **__):
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))

    monkeypatch.setattr("sonic_core.service.intake.submit", full)
    files = {"image": portrait.read_bytes(), "audio": speech.read_bytes()}
    consent = {"consent": '{"agreed": true, "subject": "s", "purpose": "p"}'}
    assert client.post("/jobs", files=files, data=consent).status_code == 507


def test_a_sweeper_whose_clock_is_ahead_takes_nobodys_job(tmp_path, monkeypatch, stores):
    """Leases are judged by the database's clock: a minute's error of this machine's ended healthy jobs."""
    from sonic_core.ledger.consents import record_consent
    from sonic_core.ledger.jobs import NewJob

    url = f"sqlite:///{tmp_path}/clocks.sqlite"
    ledger = Ledger.open(url)
    consent = record_consent(ledger.engine, "u", subject="s", subject_is_user=True, purpose="p", sources=[])
    ledger.submit(NewJob("j", "u", {}, consent.id))
    assert ledger.claim("healthy", 30).attempt == 1
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 60)
    ahead = Ledger.open(url)
    assert sweep(ahead, stores)["queued"] == 0 and ahead.claim("thief", 30) is None
    assert ahead.get("j").state == "running"
    assert abs(ledger.clock() - real()) < 2 and abs(ahead.clock() - real()) < 2


def test_ready_tells_of_a_loop_that_does_not_work(ledger, stores):
    stop, hung = threading.Event(), threading.Event()
    loop = Loop("the sweeper", hung.wait, stop, 5).start()
    service = Service(ledger, stores, loops=[loop])
    ledger.worker_seen("w", "core", None)
    with serving(service) as url:
        assert httpx.get(f"{url}/ready").status_code == 200
        loop._last_good -= 70
        answer = httpx.get(f"{url}/ready")
        assert answer.status_code == 503 and "the sweeper has not worked" in answer.json()["reason"]
        hung.set()
        wait_for(lambda: httpx.get(f"{url}/ready").status_code == 200)
    stop.set()


def test_one_object_that_cannot_be_deleted_stops_no_sweeping(ledger, stores, add_job, monkeypatch):
    """A plain OSError ended the sweeper of 0.1.0 for good."""
    from sonic_core.fleet.worker import Worker

    first, second = add_job(), add_job()
    for job_id in (first, second):
        Worker(ledger, stores, stub_engine).run_one(job_id)
        stores.outputs.put(f"outputs/u/{job_id}/attempt-9/video.mp4", b"left")
    delete = stores.outputs.delete

    def failing(key):
        if first in key:
            raise PermissionError(1, "Operation not permitted")
        delete(key)

    monkeypatch.setattr(stores.outputs, "delete", failing)
    ledger.clock.now += 121
    rounds, stop = [], threading.Event()
    Loop("the sweeper", lambda: rounds.append(1) or sweep(ledger, stores), stop, 0.01).start()
    wait_for(lambda: ledger.get(second).swept)
    wait_for(lambda: len(rounds) > 2)
    stop.set()
