"""No credential in any log, file, metadata, workflow, ledger row, event, webhook or error after a whole run.

Every secret the system knows is a canary here; the run is a real one: upload, queue, lite, signature, bucket, link.
"""

import argparse
import base64
import json
import logging
import os

import pytest

pytest.importorskip("oss2")
pytest.importorskip("c2pa")
pytest.importorskip("fastapi")

import sqlalchemy as sa
from fastapi.testclient import TestClient
from fleet_stubs import FakeQueue
from oss_signature import Account
from receiver import deliver_due

from sonic_core.cli import storage
from sonic_core.comfyui.graph import apply_request, load_graph
from sonic_core.disclosure.c2pa import read_manifest, self_made_credentials
from sonic_core.disclosure.inspect import inspect
from sonic_core.errors import SettingsError
from sonic_core.fleet import webhooks
from sonic_core.fleet.backends import signing
from sonic_core.fleet.broker import CeleryQueue, make_app
from sonic_core.fleet.sweeper import QueueError, publish_waiting, sweep
from sonic_core.fleet.worker import Worker
from sonic_core.ledger.database import open_database
from sonic_core.ledger.tables import metadata
from sonic_core.request import Request
from sonic_core.service import api_keys
from sonic_core.service.app import Service
from sonic_core.service.app import make_app as make_service
from sonic_core.storage.profiles import load_profile
from sonic_core.storage.stores import open_stores

WEBHOOK_SECRET = base64.b64encode(b"canary-webhook-signing-secret-0000").decode()
SETTINGS = {"preset": "fast", "label": "zh", "min_resolution": 256, "inference_steps": 2}


@pytest.fixture
def canaries(oss, monkeypatch, ledger):
    """Name of each secret -> its text; all of them in the environment or handed in, as in a real fleet."""
    monkeypatch.setenv("SONIC_OSS_CDN_KEY", "canary-cdn-key-3301")
    monkeypatch.setenv("SONIC_WEBHOOK_SECRET", f"whsec_{WEBHOOK_SECRET}")
    monkeypatch.setenv("SONIC_EVENTS_TOKEN", "canary-events-token-7752")
    return {
        "access key secret": os.environ["OSS_ACCESS_KEY_SECRET"], "security token": os.environ["OSS_SESSION_TOKEN"],
        "CDN key": "canary-cdn-key-3301",
        "webhook secret": WEBHOOK_SECRET, "events token": "canary-events-token-7752",
        "broker password": "canary-broker-9921", "ledger password": "canary-ledger-1818",
        "API key": api_keys.create_key(ledger, "u"),
    }  # fmt: skip


@pytest.fixture
def hooks(monkeypatch):
    """What a webhook's receiver would see."""
    seen = []
    monkeypatch.setattr(webhooks, "resolve", lambda url: None)
    monkeypatch.setattr(webhooks, "_send", lambda *message: seen.append(message))
    return seen


def test_a_whole_run_leaves_no_secret_behind(
    lite, oss, canaries, hooks, ledger, portrait_path, a_second_of_speech, tmp_path, caplog, capsys
):
    caplog.set_level(logging.DEBUG)
    stores, key = open_stores(load_profile()), self_made_credentials()
    canaries["signing key"] = key.key.decode().splitlines()[1]
    found: dict[str, str] = {}

    with TestClient(make_service(Service(ledger, stores))) as client:
        headers = {"Authorization": f"Bearer {canaries['API key']}"}
        consent = {"agreed": True, "subject": "s", "purpose": "p"}
        fields = {"consent": json.dumps(consent), "settings": json.dumps(SETTINGS), "webhook": "https://a.example/x"}

        def post():
            files = {"image": portrait_path.open("rb"), "audio": a_second_of_speech.open("rb")}
            return client.post("/jobs", files=files, data=fields, headers=headers).json()["id"]

        made, failed = post(), post()
        worker = Worker(ledger, stores, signing(lite, key))
        assert worker.run_one(made).state == "done"
        known, oss.accounts = oss.accounts, {name: Account("changed", "canary-token-6203") for name in oss.accounts}
        assert "SignatureDoesNotMatch" in worker.run_one(failed).error
        oss.accounts = known
        answers = [client.get(f"/jobs/{made}{path}", headers=headers) for path in ("", "/events")]
        found["the service's answers"] = "".join(answer.text + str(answer.headers) for answer in answers)
        found["metrics and docs"] = client.get("/metrics").text + client.get("/openapi.json").text
        found["an answer to a wrong key"] = client.get("/jobs", headers={"X-API-Key": canaries["API key"] + "x"}).text
        link = client.get(f"/jobs/{made}/video", headers=headers, follow_redirects=False).headers["location"]
        assert canaries["security token"] in link, "by OSS's rules a signed link carries its token, and only a link"

    sweep(ledger, stores, FakeQueue(), grace_seconds=0), deliver_due(ledger)
    assert hooks, "a webhook was sent"
    found["webhooks"] = repr(hooks)
    down = CeleryQueue(make_app(f"amqp://u:{canaries['broker password']}@127.0.0.1:9//"))
    for error, make in {
        "ledger": lambda: open_database(f"postgresql://u:{canaries['ledger password']}@127.0.0.1:9/x"),
        "broker": lambda: make_app(f"http://u:{canaries['broker password']}@127.0.0.1:9"),
        "queue": lambda: down.publish("x"),
    }.items():
        with pytest.raises((SettingsError, QueueError)) as caught:
            make()
        found[f"error of the {error}"] = str(caught.value)
    ledger.clock.now += 60
    assert publish_waiting(ledger, down), "the broker is asked, and does not answer"

    job = ledger.get(made)
    video = tmp_path / "back.mp4"
    stores.outputs.get(job.output["key"], video, max_bytes=1 << 24)
    assert read_manifest(video)["state"] == "Valid"
    found["the video's metadata"] = json.dumps(inspect(video))
    found["objects"] = "".join(
        content.decode("latin-1") for bucket in oss.buckets.values() for content in bucket.visible().values()
    )
    graph = load_graph("fast")
    apply_request(graph, Request.parse({"seed": 5, **{k: v for k, v in SETTINGS.items() if k in ("preset", "label")}}))
    found["the workflow for ComfyUI"] = json.dumps(graph)
    with ledger.engine.connect() as connection:
        rows = {t.name: connection.execute(sa.select(t)).all() for t in metadata.tables.values()}
    assert len(rows["events"]) > 4 and rows["deliveries"]
    found["the ledger's rows"] = repr(rows)
    parser = argparse.ArgumentParser()
    storage.add_parser(parser.add_subparsers())
    for words in (["show", made], ["show", failed, "--json"], ["list"]):
        args = parser.parse_args(["jobs", *words, "--ledger", str(ledger.engine.url)])
        args.run(args)
    found["the command jobs"] = "".join(capsys.readouterr())
    assert made in found["the command jobs"]
    found["logs"] = "\n".join(f"{r.name} {r.getMessage()} {r.exc_text}" for r in caplog.records)
    assert "sonic_core" in found["logs"]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            found[f"file {path.name}"] = path.read_bytes().decode("latin-1")

    leaks = [f"{secret} in {place}" for place, text in found.items() for secret, c in canaries.items() if c in text]
    assert leaks == []
