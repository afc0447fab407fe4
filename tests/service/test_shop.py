"""For a shop of a thousand videos a day: assets, pages of jobs, retry, turns, estimates, keys that end."""

import json

import httpx
import pytest
from fleet_stubs import stub_engine

from sonic_core.cli.main import main
from sonic_core.errors import InputError
from sonic_core.fleet.worker import Worker
from sonic_core.ledger.consents import record_consent
from sonic_core.ledger.turns import set_priority
from sonic_core.service import api_keys

CONSENT = {"agreed": True, "subject": "anna", "purpose": "lessons"}


@pytest.fixture
def upload(client, portrait, speech):
    def upload(kind, consent=CONSENT, **fields):
        content = (portrait if kind == "image" else speech).read_bytes()
        return client.post("/assets", files={kind: ("x", content)}, data={"consent": json.dumps(consent), **fields})

    return upload


def test_a_presenter_is_uploaded_once_and_used_often(client, service, stores, upload, speech):
    image = upload("image").json()
    voice = client.post(
        "/assets", files={"audio": ("v.wav", speech.read_bytes())}, data={"consent_id": image["consent_id"]}
    ).json()
    assert (image["width"], image["height"]) == (64, 64) and abs(voice["seconds"] - 0.5) < 0.02
    body = {"image": {"asset": image["id"]}, "audio": {"asset": voice["id"]}, "consent_id": image["consent_id"]}
    jobs = [client.post("/jobs", json=body).json() for _ in range(3)]
    worker = Worker(service.ledger, stores, stub_engine)
    assert worker.run_one(jobs[0]["id"]).state == "done"
    client.delete(f"/jobs/{jobs[0]['id']}")
    assert worker.run_one(jobs[1]["id"]).state == "done", "it is kept for the others"
    assert client.delete(f"/assets/{image['id']}").status_code == 200
    assert [asset["id"] for asset in client.get("/assets").json()] == [voice["id"]]
    assert worker.run_one(jobs[2]["id"]).state == "done", "a job that uses it goes on"
    assert client.post("/jobs", json=body).status_code == 400, "no new one may begin"
    client.delete(f"/consents/{image['consent_id']}")
    assert not list(stores.inputs.list("")) and not list(stores.outputs.list(""))
    assert client.get("/assets").json() == []


def test_assets_need_a_consent_and_are_private(client, url, service, stores, upload):
    assert upload("image", consent={}).status_code == 400
    assert (
        client.post("/assets", files={"image": ("x", b"no photo")}, data={"consent": json.dumps(CONSENT)}).status_code
        == 400
    )
    assert client.post("/assets", data={"consent": json.dumps(CONSENT)}, files={"owned": b"x"}).status_code == 400
    assert not list(stores.inputs.list("")) and client.get("/consents").json() == []
    image = upload("image").json()
    other = {"X-API-Key": api_keys.create_key(service.ledger, "other")}
    assert httpx.get(f"{url}/assets", headers=other).json() == []
    assert httpx.delete(f"{url}/assets/{image['id']}", headers=other).status_code == 404
    stolen = {"image": {"asset": image["id"]}, "audio": {"asset": image["id"]}, "consent": CONSENT}
    assert httpx.post(f"{url}/jobs", json=stolen, headers=other).status_code == 400
    assert client.post("/jobs", json=stolen).status_code == 400, "a photo is no voice"


def test_pages_and_filters(client, service, add_job):
    clock, ids = service.ledger.clock, []
    for _ in range(7):
        ids.insert(0, add_job())
        clock.now += 0 if len(ids) % 3 == 0 else 10  # some at the same moment
    seen, path = [], "/jobs?limit=2"
    while path:
        answer = client.get(path)
        seen += [job["id"] for job in answer.json()]
        path = answer.links["next"]["url"] if "next" in answer.links else None
    assert sorted(seen) == sorted(ids) and len(seen) == 7
    created = [service.ledger.get(job_id).created for job_id in seen]
    assert created == sorted(created, reverse=True)
    service.ledger.cancel(ids[0])
    assert [job["id"] for job in client.get("/jobs?state=cancelled").json()] == [ids[0]]
    assert client.get("/jobs?subject=s&limit=9").json() and client.get("/jobs?subject=nobody").json() == []
    middle = service.ledger.get(ids[3]).created
    both = [*client.get(f"/jobs?since={middle}").json(), *client.get(f"/jobs?until={middle}").json()]
    assert sorted(job["id"] for job in both) == sorted(ids)
    for bad in (
        "cursor=x",
        "cursor=WzEsMl0",
        "cursor=%00",
        "cursor=W251bGwsbnVsbF0",
        "state=x",
        "since=nan",
        "limit=0",
    ):
        assert client.get(f"/jobs?{bad}").status_code in (400, 422), bad


def test_retry(client, service, stores, add_job):
    job_id = add_job()
    assert client.post(f"/jobs/{job_id}/retry").status_code == 400
    service.ledger.claim("w", 30, job_id), service.ledger.fail(job_id, 1, "no", retry=False)
    assert client.post(f"/jobs/{job_id}/retry").json()["state"] == "queued"
    client.delete(f"/jobs/{job_id}")
    answer = client.post(f"/jobs/{job_id}/retry")
    assert answer.status_code == 400 and "deleted" in answer.json()["detail"]


def test_a_batch_of_five_hundred_delays_nobody_by_more_than_one(service, stores, add_job):
    """Turns go round the users; the operator's priorities come before them, a user's own after."""
    ledger = service.ledger
    for _ in range(20):
        add_job()
    other = record_consent(ledger.engine, "v", subject="s", subject_is_user=True, purpose="p", sources=[])
    inputs = ledger.find_all(user="u")[0].inputs
    assert ledger.claim("w1", 30).user == "u"

    def submit(job_id, user="v", consent=other, **more):
        from sonic_core.ledger.jobs import NewJob

        ledger.submit(NewJob(job_id, user, inputs, consent.id, **more))

    ledger.clock.now += 5
    for name, priority in (("v-1", 0), ("v-2", 0), ("v-urgent", 5)):
        submit(name, priority=priority)
    taken = []
    for _ in range(4):
        ledger.clock.now += 1
        taken.append(ledger.claim("w", 30))
    assert [job.user for job in taken] == ["v", "u", "v", "u"] and taken[0].id == "v-urgent" and taken[2].id == "v-1"
    set_priority(ledger.engine, "u", 3)
    for _ in range(3):
        ledger.clock.now += 1
        assert ledger.claim("w", 30).user == "u"


def test_an_estimate_before_anything_is_uploaded(client):
    ask = {"width": 1000, "height": 1500, "seconds": 10, "settings": {"min_resolution": 512, "fps": 25}}
    answer = client.post("/estimate", json=ask).json()
    assert (answer["width"], answer["height"], answer["frames"], answer["accepted"]) == (512, 768, 250, True)
    assert answer["gigapixels"] == round(512 * 768 * 250 / 1e9, 3)
    ask["settings"] = {"min_resolution": 4096, "fps": 120, "duration": 1800}
    assert client.post("/estimate", json=ask).json()["accepted"] is False
    assert client.post("/estimate", json={**ask, "width": 0}).status_code == 400


def test_an_estimate_of_a_dub(client):
    ask = {"width": 1920, "height": 1080, "seconds": 10, "video_seconds": 60, "video_fps": 30}

    def frames(**changes):
        answer = client.post("/estimate", json={**ask, **changes}).json()
        assert (answer["width"], answer["height"]) == (1920, 1080)
        return answer["frames"]

    assert frames() == 1800 and frames(seconds=90) == 2700
    assert frames(settings={"shorter": "cut"}) == 300 and frames(video_fps=25) == 1500
    assert client.post("/estimate", json={**ask, "video_seconds": 0}).status_code == 400


def test_keys_end_and_are_revoked_one_by_one(service, ledger, capsys):
    first, second = (api_keys.create_key(ledger, "u", name, days) for name, days in (("shop", 30), (None, None)))
    assert api_keys.user_of(ledger, first) == api_keys.user_of(ledger, second) == "u"
    shop = next(info for info in api_keys.list_keys(ledger, "u") if info.name == "shop")
    ledger.clock.now += 31 * 24 * 3600
    assert api_keys.user_of(ledger, first) is None and api_keys.user_of(ledger, second) == "u"
    other = next(info for info in api_keys.list_keys(ledger) if info.name is None)
    assert api_keys.revoke_key(ledger, other.id).revoked and api_keys.user_of(ledger, second) is None
    for bad in ("", "%", "x" * 12, "_" * 12):
        with pytest.raises(InputError):
            api_keys.revoke_key(ledger, bad)
    where = ["--ledger", str(ledger.engine.url)]
    assert main(["keys", "new", "w", "--days", "5", "--name", "phone", *where]) == 0
    key = capsys.readouterr().out.strip()
    assert main(["keys", "list", "w", *where]) == 0
    listed = capsys.readouterr().out
    assert "phone" in listed and "valid" in listed and key not in listed and shop.id not in listed
    assert main(["keys", "revoke", listed.split()[0], *where]) == 0 and api_keys.user_of(ledger, key) is None
    assert main(["keys", "new", "w", "--days", "-1", *where]) == 2
    assert main(["keys", "priority", "w", "7", *where]) == 0


def test_consents_by_the_command_line(client, service, upload, stores, monkeypatch, tmp_path, capsys):
    upload("image")
    monkeypatch.setenv("SONIC_OSS_FOLDER", str(stores.inputs.root))
    monkeypatch.setenv("SONIC_STORAGE_CONFIG", str(tmp_path / "none"))
    where = ["--user", "u", "--ledger", str(service.ledger.engine.url)]
    assert main(["consents", "export", "--subject", "anna", *where]) == 0
    held = json.loads(capsys.readouterr().out)
    assert len(held["assets"]) == len(held["consents"]) == 1
    assert main(["consents", "withdraw", "--subject", "anna", *where]) == 0
    assert not list(stores.inputs.list(""))
    assert main(["consents", "list", *where]) == 0 and '"revoked": 1' in capsys.readouterr().out
