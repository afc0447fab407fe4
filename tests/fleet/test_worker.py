"""The worker: the good course, and every way in which it goes wrong."""

import threading
import time

import pytest
import sqlalchemy
from fleet_stubs import FakeQueue, stub_engine

from sonic_core.errors import NoFaceError
from sonic_core.fleet.lease import JobStopped, Lease
from sonic_core.fleet.loops import Loop
from sonic_core.fleet.sweeper import publish_waiting, sweep
from sonic_core.fleet.worker import Worker
from sonic_core.ledger.ledger import Ledger
from sonic_core.storage.store import StorageError


@pytest.fixture
def outputs(stores):
    return lambda: {o.key: stores.outputs.path_of(o.key).read_bytes() for o in stores.outputs.list("outputs/")}


def test_a_job_is_done_and_its_result_recorded(ledger, stores, add_job, outputs):
    job_id = add_job(settings={"seed": 7})
    job = Worker(ledger, stores, stub_engine).run_one()
    key = f"outputs/u/{job_id}/attempt-1/video.mp4"
    assert job.state == "done" and outputs() == {key: f"video of {job_id}".encode()}
    info = stores.outputs.head(key)
    assert job.output == {"key": key, "size": info.size, "etag": info.etag, "crc64": str(info.crc64)}
    assert set(job.timings) == {"download", "generate", "upload", "render"}
    assert Worker(ledger, stores, stub_engine).run_one() is None


def test_a_mistake_in_the_input_fails_at_once(ledger, stores, add_job, outputs):
    def engine(task):
        raise NoFaceError("there is no face in the photo")

    add_job()
    job = Worker(ledger, stores, engine).run_one()
    assert (job.state, job.error, outputs()) == ("failed", "there is no face in the photo", {})


def test_a_crash_of_the_engine_is_retried_and_ends(ledger, stores, add_job):
    def engine(task):
        raise RuntimeError("CUDA error: canary detail")

    job_id = add_job()
    worker = Worker(ledger, stores, engine)
    for _ in range(5):
        assert worker.run_one() is not None
        ledger.clock.now += 3600
    job = ledger.get(job_id)
    assert (job.state, job.attempt) == ("failed", 5) and "RuntimeError" in job.error and "canary" not in job.error


def test_changed_or_missing_inputs(ledger, stores, add_job):
    changed, missing = add_job(), add_job()
    stores.inputs.put(ledger.get(changed).inputs["image"]["key"], b"another picture", overwrite=True)
    stores.inputs.delete(ledger.get(missing).inputs["audio"]["key"])
    worker = Worker(ledger, stores, stub_engine)
    assert "not the one that was recorded" in worker.run_one(changed).error
    job = worker.run_one(missing)
    assert (job.state, job.attempt) == ("failed", 1) and "no object" in job.error


def test_cancel_stops_a_running_engine_and_leaves_nothing(ledger, stores, add_job, outputs):
    job_id = add_job()

    def engine(task):
        task.output.write_bytes(b"half")
        ledger.cancel(job_id)
        stopped = threading.Event()
        while not stopped.wait(0.01):
            task.report("sampling", 0.1)

    job = Worker(ledger, stores, engine, lease_seconds=0.1).run_one()
    assert job.state == "cancelled" and outputs() == {}


def test_a_job_that_takes_too_long_fails(ledger, stores, add_job, outputs):
    def engine(task):
        stopped = threading.Event()
        while not stopped.wait(0.01):
            task.report("sampling", 0.1)

    add_job()
    job = Worker(ledger, stores, engine, lease_seconds=0.1, job_seconds=0.05).run_one()
    assert (job.state, outputs()) == ("failed", {}) and "took longer" in job.error


def test_an_engine_that_hangs_loses_its_job_to_others(ledger, stores, add_job):
    hung = ledger.claim("hung", 30, add_job())
    with Lease(ledger, hung, 0.1, limit=0.0) as lease:
        lease._thread.join(20)  # the engine never asks whether it may go on, and the lease is renewed no more
        ledger.clock.now += 31
        assert Worker(ledger, stores, stub_engine).run_one(hung.id).state == "done"
        with pytest.raises(JobStopped, match="late"):
            lease.report("sampling", 0.5)


def test_cancel_at_the_last_moment(ledger, stores, add_job, outputs):
    def engine(task):
        stub_engine(task)
        ledger.cancel(task.job_id)
        return {}

    add_job()
    assert Worker(ledger, stores, engine).run_one().state == "cancelled" and outputs() == {}


def test_the_overtaken_worker_deletes_its_own_result_only(ledger, stores, add_job, outputs):
    job_id = add_job()
    quick = Worker(ledger, stores, stub_engine, name="quick")

    def slow(task):
        ledger.clock.now += 31  # our lease runs out; somebody else takes the job and ends it
        assert quick.run_one(job_id).state == "done"
        return stub_engine(task)

    job = Worker(ledger, stores, slow, name="slow").run_one()
    assert (job.state, job.attempt, list(outputs())) == ("done", 2, [f"outputs/u/{job_id}/attempt-2/video.mp4"])


def test_a_lost_answer_to_finish_does_not_delete_the_result(ledger, stores, add_job, outputs):
    class Losing(Ledger):
        def finish(self, *args):
            super().finish(*args)
            raise StorageError("the answer was lost")

    job_id = add_job()
    losing = Losing(ledger.engine, ledger.clock)
    assert Worker(losing, stores, stub_engine).run_one().state == "done"
    assert len(outputs()) == 1 and ledger.get(job_id).output["key"] in outputs()


def test_storage_trouble_is_retried(ledger, stores, add_job, monkeypatch):
    def refuse(*args, **kwargs):
        raise StorageError("OSS refused: 503")

    job_id = add_job()
    with monkeypatch.context() as patch:
        patch.setattr(stores.outputs, "put", refuse)
        assert Worker(ledger, stores, stub_engine).run_one().state == "queued"
    ledger.clock.now += 10
    assert Worker(ledger, stores, stub_engine).run_one().state == "done"
    assert ledger.get(job_id).attempt == 2


def test_sweep_recovers_and_deletes_leftovers(ledger, stores, add_job, outputs):
    job_id = add_job()
    ledger.claim("killed", 30)
    stores.outputs.put(f"outputs/u/{job_id}/attempt-1/video.mp4", b"orphan of a killed worker")
    assert sweep(ledger, stores)["queued"] == 0
    ledger.clock.now += 31
    assert sweep(ledger, stores)["queued"] == 1
    Worker(ledger, stores, stub_engine).run_one()
    assert len(outputs()) == 2 and sweep(ledger, stores)["deleted"] == 0
    ledger.clock.now += 121
    assert sweep(ledger, stores)["deleted"] == 1
    assert list(outputs()) == [ledger.get(job_id).output["key"]] and sweep(ledger, stores)["deleted"] == 0


def test_publishing(ledger, add_job):
    queue, job_id = FakeQueue(), add_job()
    queue.down = True
    publish_waiting(ledger, queue)
    queue.down = False
    publish_waiting(ledger, queue), publish_waiting(ledger, queue)
    assert queue.published == [job_id]
    ledger.clock.now += 61
    queue.waiting = 1  # it waits its turn: no duplicate
    publish_waiting(ledger, queue)
    assert queue.published == [job_id]
    queue.waiting = 0  # the broker has lost it
    publish_waiting(ledger, queue)
    assert queue.published == [job_id] * 2
    ledger.claim("w", 30)
    ledger.fail(job_id, 1, "x", retry=True)
    publish_waiting(ledger, queue)
    assert len(queue.published) == 2  # backoff
    ledger.clock.now += 6
    publish_waiting(ledger, queue)
    assert len(queue.published) == 3


def test_a_worker_whose_engine_is_away_takes_nothing(ledger, stores, add_job, monkeypatch):
    job_id, away, asked, stop = add_job(), True, [], threading.Event()

    def ready():
        asked.append(1)
        if len(asked) == 3:
            stop.set()
        return not away

    worker = Worker(ledger, stores, stub_engine, ready=ready)
    worker.run(stop, poll_seconds=0)
    worker.say_alive()
    ledger.mark([job_id], published=ledger.clock())
    monkeypatch.setattr("sonic_core.fleet.worker._AWAY_SECONDS", 0)
    worker.run_announced(job_id)
    job = ledger.get(job_id)
    assert (job.state, job.attempt, ledger.live_workers(), ledger.to_publish()) == ("queued", 0, [], [job_id])
    away = False
    worker.run_announced(job_id), worker.say_alive()
    assert ledger.get(job_id).state == "done" and len(ledger.live_workers()) == 1


def test_a_worker_outlives_whatever_goes_wrong_in_a_turn(ledger, stores, add_job, monkeypatch):
    """SQLAlchemy's pool timeout is no DBAPIError: it ended the loop of 0.1.0 while a thread went on saying `alive`."""
    job_id, failures = add_job(), [sqlalchemy.exc.TimeoutError("QueuePool limit"), OSError("x"), MemoryError()]
    claim = ledger.claim

    def failing(*args):
        if failures:
            raise failures.pop()
        return claim(*args)

    monkeypatch.setattr(ledger, "claim", failing)
    stop = threading.Event()
    worker = Worker(ledger, stores, stub_engine)
    loop = worker.start(stop, poll_seconds=0.01)
    wait_for(lambda: ledger.get(job_id).state == "done")
    assert loop.trouble() is None
    stop.set()


def test_only_a_loop_that_works_says_that_it_is_well():
    stop, blocked = threading.Event(), threading.Event()
    loop = Loop("the sweeper", lambda: blocked.wait(20), stop, 0.01).start()
    assert loop.trouble() is None
    loop._last_good -= 70
    assert "has not worked for 70 s" in loop.trouble()
    blocked.set()
    wait_for(lambda: loop.trouble() is None)
    stop.set()


def test_a_job_is_handed_back_at_once_and_its_attempt_is_not_counted(ledger, stores, add_job):
    job_id, stop, begun = add_job(), threading.Event(), threading.Event()

    def endless(task):
        begun.set()
        while True:
            task.report("rendering", 0.5)
            time.sleep(0.01)

    worker = Worker(ledger, stores, endless)
    worker.start(stop, poll_seconds=0.01)
    assert begun.wait(30)
    stop.set()
    started = time.monotonic()
    worker.hand_back(wait_seconds=60)
    job = ledger.get(job_id)
    assert time.monotonic() - started < 30 and job.state == "queued" and job.max_attempts == 6 and job.error is None
    assert Worker(ledger, stores, stub_engine).run_one().state == "done"


def test_a_job_in_a_long_step_is_handed_back_by_force(ledger, stores, add_job):
    job_id, stop, begun, ended = add_job(), threading.Event(), threading.Event(), threading.Event()

    def deaf(task):
        begun.set()
        ended.wait(20)
        return stub_engine(task)

    worker = Worker(ledger, stores, deaf)
    loop = worker.start(stop, poll_seconds=0.01)
    assert begun.wait(30)
    stop.set()
    worker.hand_back(wait_seconds=0.1)
    assert ledger.get(job_id).state == "queued"
    ended.set()
    loop._thread.join(30)
    assert ledger.get(job_id).state == "queued" and not list(stores.outputs.list("outputs/"))


def wait_for(condition, seconds=40):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
