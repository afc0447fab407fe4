"""The ledger on SQLite, and on PostgreSQL where SONIC_TEST_POSTGRES names a server (make test-services)."""

import os
import threading
import uuid

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("alembic")

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from sonic_core.errors import InputError, SettingsError
from sonic_core.ledger.assets import deleted_assets, drop_asset
from sonic_core.ledger.consents import record_consent
from sonic_core.ledger.database import open_database
from sonic_core.ledger.forgetting import Retention, consents_of, delete_old_rows, withdraw_consent
from sonic_core.ledger.histograms import read_histograms
from sonic_core.ledger.jobs import NewJob, backoff, new_job_id
from sonic_core.ledger.ledger import Ledger
from sonic_core.ledger.reservations import LimitError, Limits, ReservedError, lapsed, release, renew, reserve
from sonic_core.ledger.tables import deliveries, events, jobs, metadata

CONSENT = {"subject": "s-1", "subject_is_user": True, "purpose": "greeting", "sources": []}


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/ledger.sqlite"
        return
    server = os.environ.get("SONIC_TEST_POSTGRES")
    if not server:
        pytest.skip("SONIC_TEST_POSTGRES is not set (make test-services starts a PostgreSQL)")
    name = f"ledger_{uuid.uuid4().hex}"
    admin = sa.create_engine(sa.make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield sa.make_url(server).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def ledger(url):
    ledger = Ledger(open_database(url), Clock())
    ledger.consent = record_consent(ledger.engine, "u", **CONSENT)
    yield ledger
    ledger.engine.dispose()


def submit(ledger, job_id=None, **changes):
    values = {"id": job_id or new_job_id(), "user": "u", "inputs": {}, "consent_id": ledger.consent.id, **changes}
    return ledger.submit(NewJob(**values))


def kinds(ledger, job_id):
    return [event["kind"] for event in ledger.events(job_id)]


def test_a_job_from_submission_to_done(ledger):
    job, new = submit(ledger, settings={"seed": 3}, inputs={"image": {"key": "inputs/u/j/p.png", "crc64": 2**64 - 1}})
    assert new and (job.state, job.attempt, job.settings) == ("queued", 0, {"seed": 3})
    held = ledger.claim("w1", 30)
    assert (held.id, held.state, held.attempt, held.lease_owner) == (job.id, "running", 1, "w1")
    assert ledger.claim("w2", 30) is None
    assert ledger.heartbeat(job.id, 1, 30, 0.5, "sampling") == "held"
    assert ledger.get(job.id).progress == 0.5
    assert ledger.finish(job.id, 1, {"key": "outputs/u/j/attempt-1/v.mp4"}, {"sample": 1.5})
    done = ledger.get(job.id)
    assert (done.state, done.output["key"], done.timings) == ("done", "outputs/u/j/attempt-1/v.mp4", {"sample": 1.5})
    assert done.lease_owner is None and done.inputs["image"]["crc64"] == 2**64 - 1
    assert not ledger.finish(job.id, 1, {"key": "again"}, {})
    assert kinds(ledger, job.id) == ["queued", "leased", "done"]


def test_submission_happens_once(ledger):
    first, new = submit(ledger, "order-17")
    second, again = submit(ledger, "order-17", settings={"seed": 9})
    assert new and not again and second == first
    other = record_consent(ledger.engine, "v", **CONSENT)
    with pytest.raises(InputError, match="taken"):
        submit(ledger, "order-17", user="v", consent_id=other.id)


def test_consent_is_required(ledger):
    with pytest.raises(InputError, match="needs a consent"):
        submit(ledger, consent_id="none")
    with pytest.raises(InputError, match="same user"):
        submit(ledger, user="v")
    past = record_consent(ledger.engine, "u", **CONSENT)
    job, _ = submit(ledger, consent_id=past.id)
    ledger.cancel(job.id)
    withdraw_consent(ledger, past.id, "u")
    with pytest.raises(InputError, match="revoked"):
        submit(ledger, consent_id=past.id)
    with pytest.raises(InputError, match="have been deleted"):
        ledger.retry(job.id)
    with pytest.raises(InputError, match="no consent"):
        withdraw_consent(ledger, ledger.consent.id, "v")


def test_the_overtaken_attempt_can_do_nothing(ledger):
    job, _ = submit(ledger)
    ledger.claim("slow", 30)
    ledger.clock.now += 31
    assert ledger.claim("quick", 30).attempt == 2
    assert ledger.heartbeat(job.id, 1, 30, 0.9, "x") == "lost"
    assert not ledger.finish(job.id, 1, {"key": "slow"}, {})
    assert ledger.fail(job.id, 1, "x", retry=True) is None
    assert not ledger.hand_back(job.id, 1)
    assert ledger.get(job.id).state == "running"
    assert ledger.finish(job.id, 2, {"key": "quick"}, {})
    assert ledger.get(job.id).output == {"key": "quick"}


def test_a_lease_that_is_renewed_is_not_taken(ledger):
    job, _ = submit(ledger)
    ledger.claim("w1", 30)
    for _ in range(5):
        ledger.clock.now += 20
        assert ledger.heartbeat(job.id, 1, 30, 0.1, "x") == "held"
        assert ledger.claim("w2", 30) is None and not any(ledger.recover().values())


def test_retries_are_bounded_and_wait(ledger):
    job, _ = submit(ledger, max_attempts=3)
    for attempt in (1, 2):
        assert ledger.claim("w", 30).attempt == attempt
        assert ledger.fail(job.id, attempt, "the GPU fell off", retry=True) == "queued"
        assert ledger.claim("w", 30) is None
        ledger.clock.now += backoff(attempt)
    ledger.claim("w", 30)
    assert ledger.fail(job.id, 3, "the GPU fell off", retry=True) == "failed"
    assert ledger.get(job.id).error == "the GPU fell off" and ledger.claim("w", 30) is None
    assert [backoff(n) for n in (1, 2, 3, 99)] == [5, 10, 20, 600]


def test_a_mistake_of_the_user_is_not_retried(ledger):
    job, _ = submit(ledger)
    ledger.claim("w", 30)
    assert ledger.fail(job.id, 1, "there is no face", retry=False) == "failed"


def test_a_poison_job_that_kills_its_workers_ends_failed(ledger):
    job, _ = submit(ledger, max_attempts=2)
    for _ in range(2):
        assert ledger.claim("w", 30)
        ledger.clock.now += 31
        ended = ledger.recover()
    assert ended["failed"] == [job.id]
    assert "lost in each of 2 attempts" in ledger.get(job.id).error


def test_recover_requeues_and_forgets_the_publication(ledger):
    job, _ = submit(ledger)
    ledger.mark([job.id], published=ledger.clock())
    ledger.claim("w", 30)
    ledger.clock.now += 31
    assert ledger.recover()["queued"] == [job.id]
    assert ledger.get(job.id).published is None and ledger.recover()["queued"] == []


def test_cancel(ledger):
    queued, _ = submit(ledger)
    assert ledger.cancel(queued.id).state == "cancelled"
    running, _ = submit(ledger)
    ledger.claim("w", 30)
    assert ledger.cancel(running.id).state == "running"
    assert ledger.heartbeat(running.id, 1, 30, 0.2, "x") == "cancel"
    assert not ledger.finish(running.id, 1, {"key": "late"}, {})
    assert ledger.fail(running.id, 1, "cancelled", retry=True) == "cancelled"
    abandoned, _ = submit(ledger)
    ledger.claim("w", 30)
    ledger.cancel(abandoned.id)
    ledger.clock.now += 31
    assert ledger.claim("w", 30) is None and ledger.recover()["cancelled"] == [abandoned.id]
    assert ledger.cancel(abandoned.id).state == "cancelled"
    with pytest.raises(InputError, match="no job"):
        ledger.cancel("nope")


def test_what_is_to_publish_and_to_sweep_comes_oldest_first(ledger):
    ids = []
    for _ in range(3):
        ids.append(submit(ledger)[0].id)
        ledger.clock.now += 1
    assert ledger.to_publish() == ids and ledger.to_publish(limit=1) == ids[:1]
    ledger.mark(ids[:1], published=ledger.clock())
    assert ledger.to_publish() == ids[1:] and ledger.to_publish(published_before=ledger.clock() + 1) == ids[:1]
    for number, job_id in enumerate(ids):
        ledger.claim("w", 30, job_id), ledger.finish(job_id, 1, {"key": "k"}, {})
        assert ledger.to_publish() == ids[max(number + 1, 1) :]
        ledger.clock.now += 10
    assert [job.id for job in ledger.to_sweep(finished_before=ledger.clock() - 15)] == ids[:2]
    ledger.mark(ids[:1], swept=True)
    assert [job.id for job in ledger.to_sweep(finished_before=ledger.clock())] == ids[1:]


def test_retry_by_hand(ledger):
    job, _ = submit(ledger, max_attempts=1)
    with pytest.raises(InputError, match="is queued"):
        ledger.retry(job.id)
    ledger.claim("w", 30)
    ledger.fail(job.id, 1, "x", retry=True)
    assert ledger.retry(job.id).state == "queued"
    assert ledger.claim("w", 30).attempt == 2


def test_requeueing_an_attempt_that_was_overtaken_changes_nothing(ledger):
    """What was read of attempt 1 does not take the job from attempt 2, whatever happened in between."""
    job, _ = submit(ledger)
    ledger.claim("slow", 30)
    with ledger.engine.connect() as connection:
        read = connection.execute(sa.select(jobs).where(jobs.c.id == job.id)).one()
    ledger.clock.now += 31
    ledger.claim("quick", 30)
    with ledger.engine.begin() as connection:
        ledger._requeue(connection, read, "lease of slow ran out", 0.0)
    now = ledger.get(job.id)
    assert (now.state, now.attempt, now.lease_owner) == ("running", 2, "quick")
    assert kinds(ledger, job.id) == ["queued", "leased", "leased"]


def test_a_retry_that_saw_an_older_attempt_changes_nothing(ledger, monkeypatch):
    """Somebody else retried between this retry's look and its change, and the job failed once more."""
    job, _ = submit(ledger)
    ledger.claim("w", 30)
    ledger.fail(job.id, 1, "x", retry=False)
    seen = ledger.get(job.id)
    ledger.retry(job.id), ledger.claim("w", 30), ledger.fail(job.id, 2, "y", retry=False)
    with monkeypatch.context() as patched:
        patched.setattr(ledger, "get", lambda job_id: seen)
        with pytest.raises(InputError, match="can be retried"):
            ledger.retry(job.id)
    now = ledger.get(job.id)
    assert (now.state, now.attempt, now.error) == ("failed", 2, "y")
    assert kinds(ledger, job.id).count("queued") == 2  # submitted, and the retry that counted


def test_oldest_first_and_named(ledger):
    ids = []
    for _ in range(3):
        ids.append(submit(ledger)[0].id)
        ledger.clock.now += 1
    assert ledger.claim("w", 30, ids[2]).id == ids[2]
    assert ledger.claim("w", 30, ids[2]) is None
    assert ledger.claim("w", 30).id == ids[0]
    assert ledger.counts() == {"queued": 1, "running": 2, "done": 0, "failed": 0, "cancelled": 0}
    assert [job.id for job in ledger.find_all(user="u", state="running")] == [ids[2], ids[0]]


def test_many_threads_never_hold_the_same_job(ledger):
    count = 40
    for _ in range(count):
        submit(ledger)
    taken, lock = [], threading.Lock()

    def work(name):
        while (job := ledger.claim(name, 30)) is not None:
            with lock:
                taken.append(job.id)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == count


def test_event_log_is_append_only(ledger):
    submit(ledger)
    for statement in (events.delete(), events.update().values(kind="forged")):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), ledger.engine.begin() as connection:
            connection.execute(statement)


def test_a_webhook_is_noted_with_the_result(ledger):
    job, _ = submit(ledger, webhook="https://shop.example.com/hook")
    ledger.claim("w", 30)
    ledger.finish(job.id, 1, {"key": "k"}, {})
    with ledger.engine.connect() as connection:
        row = connection.execute(sa.select(deliveries)).one()
    assert (row.url, row.payload["type"], row.payload["data"]["id"]) == (job.webhook, "job.done", job.id)


def test_workers(ledger):
    ledger.worker_seen("w1", "core", None)
    ledger.worker_seen("w1", "core", "j")
    assert [(w["id"], w["job_id"]) for w in ledger.live_workers()] == [("w1", "j")]
    ledger.clock.now += 100
    assert ledger.live_workers() == []


def test_migrations_make_the_tables_of_the_code(ledger):
    with ledger.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_opening_twice_at_once(url):
    failures = []

    def open_it():
        try:
            open_database(url).dispose()
        except (sa.exc.SQLAlchemyError, SettingsError) as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_bad_addresses_do_not_show_the_password(monkeypatch):
    with pytest.raises(SettingsError):
        open_database("nonsense")
    with pytest.raises(SettingsError) as caught:
        open_database("postgresql://u:canary@127.0.0.1:9/x?connect_timeout=1")
    assert "canary" not in str(caught.value)


def test_old_rows_go_and_take_their_events(ledger):
    job, _ = submit(ledger, inputs={"image": {"key": "inputs/u/j/p.png"}})
    ledger.claim("w", 30)
    ledger.finish(job.id, 1, {"key": "k"}, {"generate": 1.0})
    assert withdraw_consent(ledger, ledger.consent.id, "u") == [job.id]
    assert [asset.key for asset in deleted_assets(ledger.engine)] == ["inputs/u/j/p.png"]
    drop_asset(ledger.engine, deleted_assets(ledger.engine)[0].id)
    ledger.mark([job.id], swept=True, outputs_gone=ledger.clock())
    retention = Retention(ledger_days=10)
    assert delete_old_rows(ledger, retention) == 0 and kinds(ledger, job.id)
    ledger.clock.now += 11 * 24 * 3600
    assert delete_old_rows(ledger, retention) == 1
    assert ledger.find(job.id) is None and kinds(ledger, job.id) == []
    assert consents_of(ledger, "u") == []


def test_histograms_count_what_jobs_took(ledger):
    for number in range(3):
        job, _ = submit(ledger, inputs={"audio": {"key": f"inputs/u/{number}/s.wav", "seconds": 2.0}})
        ledger.clock.now += 3
        ledger.claim("w", 30, job.id), ledger.finish(job.id, 1, {"key": "k"}, {"generate": 1.0})
    found = read_histograms(ledger.engine)
    wait, factor = found["queue_wait_seconds", ""], found["real_time_factor", ""]
    assert wait.counts[-1][1] == 3 and abs(wait.total - 9) < 1e-6 and dict(wait.counts)[2.0] == 0
    assert dict(factor.counts)[0.5] == 3 and abs(factor.total - 1.5) < 1e-6


def test_places_are_counted_and_lapse(ledger):
    limits = Limits(active_jobs=2)
    first = reserve(ledger, "u", "j1", limits)
    with pytest.raises(ReservedError):
        reserve(ledger, "u", "j1", limits)
    reserve(ledger, "u", "j2", limits)
    with pytest.raises(LimitError, match="2 jobs under way"):
        reserve(ledger, "u", "j3", limits)
    assert reserve(ledger, "v", "j4", limits) is not None
    ledger.clock.now += 50
    assert renew(ledger, first)
    ledger.clock.now += 20
    assert sorted(place.job_id for place in lapsed(ledger)) == ["j2", "j4"]
    release(ledger, first)
    assert not renew(ledger, first)
    submit(ledger, "j5")
    assert reserve(ledger, "u", "j5", limits) is None


def test_places_in_parallel(ledger):
    taken, refused = [], []

    def take(number):
        try:
            taken.append(reserve(ledger, "u", f"p{number}", Limits(active_jobs=5)))
        except LimitError as error:
            refused.append(error)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), len(refused)) == (5, 15)
