"""Webhooks, sent to real receivers: signed by the standard, retried, each with its own deadline and failure."""

import base64
import time

import pytest
import sqlalchemy as sa
from receiver import deliver_due, receiving

from sonic_core.errors import InputError, SettingsError
from sonic_core.fleet import webhooks
from sonic_core.ledger.tables import deliveries

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    monkeypatch.setenv("SONIC_WEBHOOK_SECRET", SECRET)


def end_job(ledger, add_job, url):
    job_id = add_job(webhook=url)
    ledger.claim("w", 30, job_id)
    ledger.finish(job_id, 1, {"key": "k"}, {})
    return job_id


def test_signed_by_the_standard(ledger, add_job, receiver):
    standardwebhooks = pytest.importorskip("standardwebhooks")
    ledger.clock.now = time.time()  # the library refuses old timestamps
    job_id = end_job(ledger, add_job, receiver.url)
    assert deliver_due(ledger) == 1 and deliver_due(ledger) == 0
    path, headers, body = receiver.got[0]
    assert path == "/hook" and headers["Host"] == receiver.url.split("/")[2]
    lower = {name.lower(): value for name, value in headers.items()}
    payload = standardwebhooks.Webhook(SECRET).verify(body, lower)
    assert payload["type"] == "job.done" and payload["data"]["id"] == job_id
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(
            body.replace(b"done", b"gone"), {k.lower(): v for k, v in headers.items()}
        )


def test_retried_with_the_same_id_until_it_arrives(ledger, add_job, receiver):
    end_job(ledger, add_job, receiver.url)
    receiver.statuses = [500, 302, 200]
    assert deliver_due(ledger) == 0
    assert deliver_due(ledger) == 0 and len(receiver.got) == 1  # not yet
    ledger.clock.now += 6
    deliver_due(ledger)
    ledger.clock.now += 301
    assert deliver_due(ledger) == 1
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1 and len(receiver.got) == 3


def test_given_up_in_the_end(ledger, add_job, receiver):
    end_job(ledger, add_job, receiver.url)
    receiver.statuses = [500] * 50
    for _ in range(50):
        deliver_due(ledger)
        ledger.clock.now += 100_000
    assert len(receiver.got) == len(webhooks.RETRY_SECONDS) + 1


def test_addresses_and_secrets(monkeypatch):
    for url in ("https://127.0.0.1/x", "http://example.com/x", "https://169.254.169.254/"):
        with pytest.raises(InputError):
            webhooks.check_webhook(url)
    monkeypatch.setenv("SONIC_WEBHOOK_SECRET", "canary")
    with pytest.raises(SettingsError) as caught:
        webhooks.signing_secret()
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["https://8.8.8.8/\x01", "https://8.8.8.8/\n", "https://8.8.8.8/ x", "https://[", "https://a\u202eb/", "https://\ud800/",
     "https://8.8.8.8:0/", "https://8.8.8.8:99999/", "https://u:p@8.8.8.8/", "ftp://8.8.8.8/", "//8.8.8.8/", "",
     "https://8.8.8.8/" + "x" * 3000],
)  # fmt: skip
def test_addresses_that_nothing_can_be_sent_to_are_refused(url):
    with pytest.raises(InputError):
        webhooks.check_webhook(url)


def test_one_bad_address_or_receiver_stops_nobody_else(ledger, add_job, receiver, monkeypatch):
    """0.1.0's thread died of the first address; a receiver that dripped bytes held up everybody for over a minute."""
    monkeypatch.setattr(webhooks, "DELIVERY_SECONDS", 3.0)
    with receiving() as slow:
        slow.hang = 30
        bad = end_job(ledger, add_job, "https://8.8.8.8/\x01")
        for _ in range(6):
            end_job(ledger, add_job, slow.url)
        good = end_job(ledger, add_job, receiver.url)
        give_to_another_user(ledger, good)
        sender = webhooks.Deliveries(ledger)
        start = time.monotonic()
        while not receiver.got:
            sender.round()
            assert time.monotonic() - start < 20
            time.sleep(0.02)
        assert all(outcome(ledger, job_id).error is None for job_id in jobs_of(ledger, slow.url)), "it waited for them"
        assert len(slow.got) <= 4, "few of one user's at a time"
        wait_for(lambda: outcome(ledger, bad).error == "InputError")
        while any(outcome(ledger, job_id).error is None for job_id in jobs_of(ledger, slow.url)):
            sender.round()
            assert time.monotonic() - start < 25, "each has its own deadline"
            time.sleep(0.05)
        assert {outcome(ledger, job_id).error for job_id in jobs_of(ledger, slow.url)} == {"TimeoutError"}
        sender.close()
    assert good in receiver.got[0][2].decode()


def test_whatever_a_delivery_raises_is_its_own_failure(ledger, add_job, receiver, monkeypatch):
    first, second = (end_job(ledger, add_job, receiver.url) for _ in range(2))
    send = webhooks._send

    def breaking(message_id, url, payload, timestamp):
        if payload["data"]["id"] == first:
            raise RuntimeError("nobody thought of this")
        return send(message_id, url, payload, timestamp)

    monkeypatch.setattr(webhooks, "_send", breaking)
    assert deliver_due(ledger) == 1
    assert outcome(ledger, first).error == "RuntimeError" and outcome(ledger, first).next_try > ledger.clock()
    assert outcome(ledger, second).next_try is None


def test_redelivered_by_hand(ledger, add_job, receiver):
    job_id = end_job(ledger, add_job, receiver.url)
    assert deliver_due(ledger) == 1 and deliver_due(ledger) == 0
    assert webhooks.redeliver(ledger, job_id) == 1 and deliver_due(ledger) == 1
    assert receiver.got[0][1]["webhook-id"] == receiver.got[1][1]["webhook-id"]
    assert webhooks.redeliver(ledger, "none") == 0


def outcome(ledger, job_id):
    with ledger.engine.connect() as connection:
        return connection.execute(sa.select(deliveries).where(deliveries.c.job_id == job_id)).one()


def jobs_of(ledger, url):
    return [job.id for job in ledger.find_all() if job.webhook == url]


def give_to_another_user(ledger, job_id):
    ledger.mark([job_id], user="other")


def wait_for(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_of_two_senders_that_read_the_same_message_one_sends_it(ledger, add_job, receiver):
    from sqlalchemy import select

    from sonic_core.ledger.tables import deliveries

    end_job(ledger, add_job, receiver.url)
    with ledger.engine.connect() as connection:
        row = connection.execute(select(deliveries)).one()
    assert [webhooks._claim(ledger, row), webhooks._claim(ledger, row)] == [True, False]
