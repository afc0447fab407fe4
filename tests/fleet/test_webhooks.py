"""Webhooks: signed as the reference library of Standard Webhooks wants; retried; not to our own network."""

import base64

import httpx
import pytest

from sonic_core.errors import InputError, SettingsError
from sonic_core.fleet import webhooks

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    monkeypatch.setenv("SONIC_WEBHOOK_SECRET", SECRET)


class Receiver:
    """Stands in for the network: notes what arrives, answers as told."""

    def __init__(self):
        self.statuses, self.got = [], []

    def __call__(self, method, url, *, headers, content, seconds):
        self.got.append((url, headers, content))
        status = self.statuses.pop(0) if self.statuses else 204
        if status is None:
            raise httpx.ConnectError("no route")
        return _Answer(httpx.Response(status))


class _Answer:
    def __init__(self, response):
        self.response = response

    def __enter__(self):
        return self.response

    def __exit__(self, *_):
        return False


@pytest.fixture
def receiver(monkeypatch):
    receiver = Receiver()
    monkeypatch.setattr(webhooks, "pinned", receiver)
    return receiver


def end_job(ledger, add_job):
    job_id = add_job(webhook="https://shop.example.com/hook")
    ledger.claim("w", 30, job_id)
    ledger.finish(job_id, 1, {"key": "k"}, {})
    return job_id


def test_signed_by_the_standard(ledger, add_job, receiver):
    standardwebhooks = pytest.importorskip("standardwebhooks")
    import time

    ledger.clock.now = time.time()  # the library refuses old timestamps
    job_id = end_job(ledger, add_job)
    assert webhooks.deliver_due(ledger) == 1 and webhooks.deliver_due(ledger) == 0
    url, headers, body = receiver.got[0]
    assert url == "https://shop.example.com/hook"
    payload = standardwebhooks.Webhook(SECRET).verify(body, headers)
    assert payload["type"] == "job.done" and payload["data"]["id"] == job_id
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(body.replace(b"done", b"gone"), headers)


def test_retried_with_the_same_id_until_it_arrives(ledger, add_job, receiver):
    end_job(ledger, add_job)
    receiver.statuses = [500, None, 200]
    assert webhooks.deliver_due(ledger) == 0
    assert webhooks.deliver_due(ledger) == 0 and len(receiver.got) == 1  # not yet
    ledger.clock.now += 6
    webhooks.deliver_due(ledger)
    ledger.clock.now += 301
    assert webhooks.deliver_due(ledger) == 1
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1 and len(receiver.got) == 3


def test_given_up_in_the_end(ledger, add_job, receiver):
    end_job(ledger, add_job)
    receiver.statuses = [500] * 50
    for _ in range(50):
        webhooks.deliver_due(ledger)
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
