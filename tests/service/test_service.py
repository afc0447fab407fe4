"""The HTTP service: who may come in, what is refused, and the course of a job from upload to video."""

import base64
import json
import re

import pytest

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient
from fleet_stubs import FakeQueue, stub_engine

from sonic_core.fleet.worker import Worker
from sonic_core.ledger.reservations import Limits
from sonic_core.service import api_keys
from sonic_core.service.app import Service, make_app
from sonic_core.service.local import LocalDoor

CONSENT = {"agreed": True, "subject": "s-1", "purpose": "a greeting"}


@pytest.fixture
def service(ledger, stores):
    return Service(ledger, stores, limits=Limits(active_jobs=3, jobs_a_day=4, queued_jobs=3))


@pytest.fixture
def client(service):
    with TestClient(make_app(service)) as client:
        client.headers["Authorization"] = f"Bearer {api_keys.create_key(service.ledger, 'u')}"
        yield client


@pytest.fixture
def other(service, client):
    with TestClient(client.app) as other:
        other.headers["X-API-Key"] = api_keys.create_key(service.ledger, "other")
        yield other


@pytest.fixture
def upload(client, portrait, speech):
    def upload(via=client, consent=CONSENT, headers=None, image=None, audio=None, **fields):
        files = {
            "image": ("../my photo.png", image if image is not None else portrait.read_bytes()),
            "audio": ("speech.wav", audio if audio is not None else speech.read_bytes()),
        }
        data = {"consent": json.dumps(consent), **fields}
        return via.post("/jobs", files=files, data=data, headers=headers)

    return upload


def test_from_upload_to_video(client, upload, ledger, stores):
    answer = upload(settings=json.dumps({"preset": "fast", "seed": 5, "label": "zh"}))
    assert answer.status_code == 202 and answer.headers["location"] == f"/jobs/{answer.json()['id']}"
    job_id = answer.json()["id"]
    job = ledger.get(job_id)
    assert job.user == "u" and job.inputs["image"]["key"] == f"inputs/u/{job_id}/image-image.png"
    assert job.settings == {"preset": "fast", "label": "zh", "seed": 5}
    assert client.get(f"/jobs/{job_id}/video").status_code == 409
    Worker(ledger, stores, stub_engine).run_one()
    events = client.get(f"/jobs/{job_id}/events")
    assert events.headers["content-type"].startswith("text/event-stream")
    assert json.loads(re.findall(r"data: (.*)", events.text)[-1])["state"] == "done"
    redirect = client.get(f"/jobs/{job_id}/video", follow_redirects=False)
    assert redirect.status_code == 307
    client.headers.pop("Authorization")  # the link itself is the permission
    video = client.get(redirect.headers["location"])
    assert video.content == f"video of {job_id}".encode() and video.headers["content-type"] == "video/mp4"
    part = client.get(redirect.headers["location"], headers={"Range": "bytes=0-4"})
    assert part.status_code == 206 and part.content == b"video"
    assert client.get(redirect.headers["location"].replace("expires=1", "expires=2")).status_code == 403
    ledger.clock.now += 601
    stores.outputs.clock = ledger.clock
    assert "expired" in client.get(redirect.headers["location"]).json()["detail"]


def test_keys_are_required_and_jobs_are_private(client, other, upload):
    job_id = upload().json()["id"]
    for method, path in (
        ("GET", f"/jobs/{job_id}"), ("DELETE", f"/jobs/{job_id}"), ("GET", f"/jobs/{job_id}/video"),
        ("GET", f"/jobs/{job_id}/events"), ("GET", f"/jobs/{job_id}/link"),
    ):  # fmt: skip
        assert other.request(method, path).status_code == 404
        assert client.request(method, path, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert client.request(method, path, headers={"Authorization": ""}).status_code == 401
    assert other.get("/jobs").json() == [] and len(client.get("/jobs").json()) == 1


def test_the_local_door_opens_for_this_machine_with_the_secret_only(service):
    door = LocalDoor.make(8000)
    app = make_app(Service(service.ledger, service.stores, local=door))
    here, peer = "http://127.0.0.1:8000", ("127.0.0.1", 5)
    mine = TestClient(app, base_url=here, client=peer, follow_redirects=False)
    assert mine.get("/jobs").status_code == 401 and mine.get("/session").json()["key_needed"]
    opened = mine.get(f"/?token={door.secret}")
    assert (
        opened.status_code == 303 and opened.headers["location"] == "/" and "HttpOnly" in opened.headers["set-cookie"]
    )
    assert mine.get("/jobs").status_code == 200 and not mine.get("/session").json()["key_needed"]
    for headers in (
        {"Host": "evil.example.com"},
        {"Origin": "https://evil.example.com"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"X-Forwarded-For": "203.0.113.9"},
        {"X-Real-IP": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
        {"Via": "1.1 nginx"},
    ):
        assert mine.get("/jobs", headers=headers).status_code == 401, headers
    far = TestClient(app, base_url=here, client=("203.0.113.9", 5), cookies=dict(mine.cookies))
    assert far.get("/jobs").status_code == 401
    proxied = TestClient(app, base_url=here, client=peer)  # a reverse proxy that adds nothing looks like this
    assert proxied.get("/jobs").status_code == 401
    assert proxied.get("/jobs", headers={"Cookie": f"{door.cookie}=wrong"}).status_code == 401
    curl = TestClient(app, base_url=here, client=peer)
    assert curl.get("/jobs", headers={"Authorization": f"Bearer {door.secret}"}).status_code == 200


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"consent": {}}, "consent"),
        ({"consent": {**CONSENT, "agreed": False}}, "consent"),
        ({"consent": {**CONSENT, "purpose": ""}}, "purpose"),
        ({"consent": {**CONSENT, "expires": 5}}, "expired"),
        ({"settings": json.dumps({"seed": -1})}, "seed"),
        ({"settings": json.dumps({"nope": 1})}, "nope"),
        ({"settings": json.dumps([1])}, "object"),
        ({"settings": "{"}, "JSON"),
        ({"image": b"not a picture"}, "photo is not"),
        ({"image": b""}, "0 bytes"),
        ({"audio": b"#EXTM3U\nhttp://127.0.0.1/x"}, "sound"),
        ({"audio": b"RIFF"}, "sound"),
        ({"webhook": "http://127.0.0.1/hook"}, "SONIC_WEBHOOK_SECRET"),
    ],
)
def test_refused_uploads(upload, stores, ledger, changes, said):
    answer = upload(**changes)
    assert answer.status_code == 400 and said in answer.json()["detail"], answer.text
    assert ledger.counts()["queued"] == 0
    assert [o for o in stores.inputs.list("inputs/") if "audio" in o.key] == []


def test_keys_and_urls(client, upload, ledger, stores, portrait, speech):
    stores.inputs.put("inputs/u/order-1/p.png", portrait), stores.inputs.put("inputs/u/order-1/s.wav", speech)
    stores.inputs.put("inputs/other/order-1/p.png", portrait)

    def post(image, audio={"key": "inputs/u/order-1/s.wav"}):  # noqa: B006
        return client.post("/jobs", json={"image": image, "audio": audio, "consent": CONSENT})

    assert post({"key": "inputs/u/order-1/p.png"}).status_code == 202
    assert "not below inputs/u/" in post({"key": "inputs/other/order-1/p.png"}).json()["detail"]
    assert "refused" in post({"key": "inputs/u/../other/order-1/p.png"}).json()["detail"]
    assert post({"key": "inputs/u/order-1/none.png"}).status_code == 404
    for url in ("https://127.0.0.1/x", "https://169.254.169.254/latest", "http://example.com/x", "file:///etc/passwd"):
        answer = post({"url": url}, {"url": url})
        assert answer.status_code == 400 and "URL" in answer.json()["detail"], url
    assert post("x").status_code == 400
    assert client.post("/jobs", content=b"x", headers={"content-type": "text/plain"}).status_code == 400


def test_the_same_idempotency_key_is_one_job(upload, ledger):
    first, second = (upload(headers={"Idempotency-Key": "order 17"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 200) and first.json()["id"] == second.json()["id"]
    assert ledger.counts()["queued"] == 1


def test_limits(upload, ledger, client):
    ids = [upload().json()["id"] for _ in range(3)]
    answer = upload()
    assert answer.status_code == 429 and "at most 3" in answer.json()["detail"]
    for job_id in ids:
        client.delete(f"/jobs/{job_id}")
    assert upload().status_code == 202
    answer = upload()
    assert answer.status_code == 429 and "in the last day" in answer.json()["detail"]


def test_oversized_bodies(client):
    answer = client.post("/jobs", content=b"", headers={"content-length": str(1 << 40)})
    assert answer.status_code == 413


def test_cancel_delete_and_revoke(client, other, upload, ledger, stores):
    job_id = upload().json()["id"]
    assert client.delete(f"/jobs/{job_id}").json()["state"] == "cancelled"
    client.delete(f"/jobs/{job_id}")
    assert list(stores.inputs.list(f"inputs/u/{job_id}/")) == []

    done = upload().json()
    Worker(ledger, stores, stub_engine).run_one()
    waiting = upload().json()
    assert other.delete(f"/consents/{done['consent_id']}").status_code == 404
    assert client.delete(f"/consents/{done['consent_id']}").json()["jobs"] == [done["id"]]
    assert client.get(f"/jobs/{done['id']}/video").status_code == 410
    assert [o for o in stores.inputs.list(f"inputs/u/{done['id']}/")] == [] == list(stores.outputs.list("outputs/"))
    client.delete(f"/consents/{waiting['consent_id']}")
    assert ledger.get(waiting["id"]).state == "cancelled"


def test_probes_and_metrics(client, service, upload, ledger):
    assert client.get("/health").status_code == 200
    assert client.get("/ready").status_code == 503 and client.get("/ready").json()["reason"] == "no worker"
    ledger.worker_seen("w", "core", None)
    assert client.get("/ready").status_code == 200
    for _ in range(3):
        upload()
    assert client.get("/ready").json()["reason"] == "queue full"
    lines = client.get("/metrics").text
    assert 'sonic_jobs{state="queued"} 3' in lines and "sonic_workers 1" in lines
    Worker(ledger, service.stores, stub_engine).run_one()
    lines = client.get("/metrics").text
    labels = r'\{(state="[a-z]+"|(stage="[a-z]+",)?le="[0-9.+Inf]+"|stage="[a-z]+")\}'
    for line in lines.splitlines():
        assert re.fullmatch(rf"# TYPE [a-z_]+ (gauge|histogram)|[a-z_]+({labels})? [0-9.]+", line), line
    assert 'sonic_queue_wait_seconds_bucket{le="+Inf"} 1' in lines and "sonic_real_time_factor_count 1" in lines
    assert 'sonic_stage_seconds_bucket{stage="upload",le="+Inf"} 1' in lines


def test_page_headers_and_openapi(client):
    page = client.get("/")
    assert (
        "<title>Sonic Studio</title>" in page.text and "default-src 'self'" in page.headers["content-security-policy"]
    )
    for name in ("app.js", "texts.js", "style.css", "icon.svg", "api.js", "work.js", "history.js", "material.js"):
        assert client.get(f"/static/{name}").status_code == 200
    for path in (
        "/static/../service.py",
        "/static/%2e%2e/service.py",
        "/files/../../ledger.sqlite?expires=9&signature=x",
    ):
        assert client.get(path).status_code in (400, 403, 404), path
    assert (
        "multipart/form-data" in client.get("/openapi.json").json()["paths"]["/jobs"]["post"]["requestBody"]["content"]
    )


def test_every_word_of_the_page_is_in_both_languages():
    from sonic_core.service.app import PAGE

    texts = (PAGE / "texts.js").read_text(encoding="utf-8").split("const SENTENCES_ZH")[0]
    english, chinese = texts.split("  zh: {")
    names = [set(re.findall(r"(?:^|[ ,])(\w+): \"", half)) for half in (english, chinese)]
    used = set(re.findall(r'data-text="(\w+)"', (PAGE / "index.html").read_text()))
    for script in PAGE.glob("*.js"):
        used |= set(re.findall(r'\btext\("(\w+)"\)', script.read_text()))
    assert names[0] == names[1] and used <= names[0] and len(used) > 40


def test_storage_events(client, ledger, stores, portrait, speech, consent, monkeypatch):
    monkeypatch.setenv("SONIC_EVENTS_TOKEN", "events-token-1")
    stores.inputs.put("inputs/u/order-9/p.png", portrait), stores.inputs.put("inputs/u/order-9/s.wav", speech)
    stores.inputs.put("inputs/u/order-9/job.json", json.dumps({"image": "p.png", "consent": consent.id}).encode())
    event = {"eventName": "ObjectCreated:PutObject", "oss": {"object": {"key": "inputs/u/order-9/s.wav"}}}
    body = {"events": [event, {**event, "oss": {"object": {"key": "inputs/u/order-8/s.wav"}}}]}
    assert client.post("/storage-events", json=body).status_code == 401
    headers = {"Authorization": "Bearer events-token-1"}
    answer = client.post("/storage-events", json={"events": [event]}, headers=headers)
    assert answer.json() == {"started": ["order-9"], "refused": {}}
    encoded = base64.b64encode(json.dumps({"events": [event]}).encode())
    for pushed in (encoded, json.dumps({"TopicName": "oss", "Message": encoded.decode()})):  # MNS: simplified, JSON
        for query, status in (("?token=wrong", 401), ("?token=events-token-1", 200)):
            answer = client.post("/storage-events" + query, content=pushed, headers={"Authorization": "MNS id:sign"})
            assert answer.status_code == status
        assert answer.json()["started"] == ["order-9"], "the same event again is the same job"
    assert client.post("/storage-events", content=b"!", headers=headers).status_code == 400
    assert ledger.counts()["queued"] == 1
    stores.inputs.put("inputs/u/order-7/s.wav", speech)
    stores.inputs.put("inputs/u/order-7/job.json", json.dumps({"image": "../order-9/p.png"}).encode())
    bad = {"type": "oss:ObjectCreated:PutObject", "data": {"oss": {"object": {"key": "inputs/u/order-7/s.wav"}}}}
    answer = client.post("/storage-events", json=bad, headers=headers)
    assert answer.status_code in (200, 404) and ledger.counts()["queued"] == 1


def test_a_broker_that_is_down_does_not_lose_the_job(ledger, stores, portrait, speech):
    queue = FakeQueue()
    queue.down = True
    client = TestClient(make_app(Service(ledger, stores, queue)))
    files = {"image": ("p.png", portrait.read_bytes()), "audio": ("s.wav", speech.read_bytes())}
    headers = {"Authorization": f"Bearer {api_keys.create_key(ledger, 'u')}"}
    answer = client.post("/jobs", files=files, data={"consent": json.dumps(CONSENT)}, headers=headers)
    assert answer.status_code == 202 and ledger.get(answer.json()["id"]).published is None
    queue.down = False
    files = {"image": ("p.png", portrait.read_bytes()), "audio": ("s.wav", speech.read_bytes())}
    answer = client.post("/jobs", files=files, data={"consent": json.dumps(CONSENT)}, headers=headers)
    assert queue.published == [answer.json()["id"]]


def test_a_key_is_stored_as_its_hash_and_can_be_revoked(ledger):
    key, others = api_keys.create_key(ledger, "u"), api_keys.create_key(ledger, "v")
    assert api_keys.user_of(ledger, key) == "u" and api_keys.user_of(ledger, key + "x") is None
    assert (api_keys.revoke_keys(ledger, "u"), api_keys.revoke_keys(ledger, "u")) == (1, 0)
    assert api_keys.user_of(ledger, key) is None and api_keys.user_of(ledger, others) == "v"
    with ledger.engine.connect() as connection:
        assert key not in str(connection.exec_driver_sql("SELECT * FROM api_keys").all())
