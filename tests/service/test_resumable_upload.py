"""Uploads in parts straight to the store: broken ones go on, nothing but the announced object comes in, all goes."""

import io
import time
import wave

import httpx
import numpy as np
import pytest
from fleet_stubs import stub_engine
from live_server import reservations
from test_direct_upload import CONSENT, place  # noqa: F401 - a fixture

from sonic_core.fleet.sweeper import sweep
from sonic_core.fleet.worker import Worker
from sonic_core.service.resumable_upload import PART_BYTES, sizes_of_parts
from sonic_core.storage.folder import FolderStore
from sonic_core.storage.s3 import S3Store

MAGIC = b"a voice nobody may find"


@pytest.fixture(autouse=True)
def today(ledger):
    """The ledger's time is that of the files in the folder store, whose age it judges."""
    ledger.clock.now = time.time()


@pytest.fixture(scope="module")
def voice():
    """A sound of two parts, 55 s."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(np.random.default_rng(0).integers(-9000, 9000, 55 * 48000, dtype=np.int16).tobytes())
    content = made.getvalue()
    return content[: -len(MAGIC)] + MAGIC


def begin(client, content, kind="audio", content_type="audio/wav"):
    body = {"kind": kind, "size": len(content), "content_type": content_type}
    answer = client.post("/uploads/resumable", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def send(upload, number, content):
    link = upload["parts"][str(number)]
    assert link["method"] == "PUT" and not set(link["headers"]) - {"Content-Length"}, "a browser sets it itself"
    part = content[(number - 1) * PART_BYTES : number * PART_BYTES]
    return httpx.put(link["url"], content=part, timeout=20)


def traces(stores):
    """What lies in the store, parts included."""
    store = stores.inputs
    if isinstance(store, FolderStore):
        return [path for path in store.root.rglob("*") if path.is_file() and path.name != "link-secret"]
    left = [info.key for info in store.list("")]
    if isinstance(store, S3Store):
        return left + store.client.list_multipart_uploads(Bucket=store.profile.bucket).get("Uploads", [])
    return left + store.bucket.list_multipart_uploads().upload_list


def test_a_broken_upload_goes_on_and_becomes_a_job(place, voice, portrait):  # noqa: F811
    client, stores, ledger = place
    upload = begin(client, voice)
    assert len(upload["parts"]) == 2 and upload["arrived"] == [] and upload["part_size"] == PART_BYTES
    assert send(upload, 2, voice).status_code < 300
    ledger.clock.now += 120
    sweep(ledger, stores)
    asked = client.get(f"/uploads/{upload['id']}").json()
    assert asked["arrived"] == [2] and list(asked["parts"]) == ["1"]
    refused = client.post(f"/uploads/{upload['id']}/complete")
    assert refused.status_code == 400 and "the first is 1" in refused.text
    assert send(asked, 1, voice).status_code < 300
    for _ in range(2):  # an answer that was lost is asked for again
        done = client.post(f"/uploads/{upload['id']}/complete")
        assert done.status_code == 200, done.text
        assert done.json()["size"] == len(voice) and done.json()["seconds"] == pytest.approx(55, abs=0.01)
    assert client.get(f"/uploads/{upload['id']}").json()["parts"] == {}
    photo = begin(client, portrait.read_bytes(), "image", "image/png")
    assert send(photo, 1, portrait.read_bytes()).status_code < 300
    assert client.post(f"/uploads/{photo['id']}/complete").json()["width"] == 64
    body = {"image": {"key": photo["key"]}, "audio": {"key": upload["key"]}, "consent": CONSENT}
    job = client.post("/jobs", json=body)
    assert job.status_code == 202, job.text
    assert not reservations(ledger) and client.get(f"/uploads/{upload['id']}").status_code == 404
    assert Worker(ledger, stores, stub_engine).run_one().id == job.json()["id"]
    consent = client.get("/consents").json()[0]["id"]
    assert client.delete(f"/consents/{consent}").status_code == 200
    assert not traces(stores)
    assert send(asked, 1, voice).status_code >= 400 and not traces(stores), "no part comes after"


def test_what_is_not_a_sound_is_refused_and_gone(place):  # noqa: F811
    client, stores, ledger = place
    content = b"#!/bin/sh\n" * 100
    upload = begin(client, content)
    assert send(upload, 1, content).status_code < 300
    answer = client.post(f"/uploads/{upload['id']}/complete")
    assert answer.status_code == 400 and "sound" in answer.text
    assert not traces(stores) and not reservations(ledger)


def test_a_part_of_another_size_or_place_is_refused(place, voice):  # noqa: F811
    client, stores, _ = place
    upload = begin(client, voice)
    link = upload["parts"]["2"]
    if isinstance(stores.inputs, S3Store):  # moto's server does not verify signatures: read what ours covers
        assert "X-Amz-SignedHeaders=content-length%3Bhost" in link["url"]
        httpx.put(link["url"], content=voice[PART_BYTES:-1])
    else:
        for content in (voice[PART_BYTES:-1], voice[PART_BYTES:] + b"more"):
            assert httpx.put(link["url"], content=content).status_code >= 400
        for old, new in (("umber=2", "umber=3"), (upload["id"], "upload-0")):
            assert old in link["url"]
            assert httpx.put(link["url"].replace(old, new), content=voice[PART_BYTES:]).status_code >= 400
    assert send(upload, 1, voice).status_code < 300
    assert client.get(f"/uploads/{upload['id']}").json()["arrived"] == [1]
    assert client.post(f"/uploads/{upload['id']}/complete").status_code == 400
    assert not list(stores.inputs.list(""))


def test_what_is_abandoned_goes(place, voice):  # noqa: F811
    client, stores, ledger = place
    upload = begin(client, voice)
    assert send(upload, 2, voice).status_code < 300
    ledger.clock.now += 23 * 3600
    sweep(ledger, stores)
    assert client.get(f"/uploads/{upload['id']}").json()["arrived"] == [2]
    ledger.clock.now += 3601
    sweep(ledger, stores)
    assert not traces(stores) and not reservations(ledger)
    assert client.get(f"/uploads/{upload['id']}").status_code == 404
    assert send(upload, 1, voice).status_code >= 400 and not traces(stores)


def test_bad_requests_and_others_uploads(place, voice):  # noqa: F811
    from sonic_core.service.api_keys import create_key

    client, _, ledger = place
    good = {"kind": "audio", "size": 5, "content_type": "audio/wav"}
    for changed in ({"kind": "film"}, {"size": 0}, {"size": (256 << 20) + 1}, {"content_type": "a\nb"}, {"parts": 9}):
        assert client.post("/uploads/resumable", json={**good, **changed}).status_code == 400
    assert not reservations(ledger)
    upload = begin(client, voice)
    other = {"X-API-Key": create_key(ledger, "other")}
    assert client.get(f"/uploads/{upload['id']}", headers=other).status_code == 404
    assert client.post(f"/uploads/{upload['id']}/complete", headers=other).status_code == 404
    single = client.post("/uploads", json=good).json()["key"].split("/")[2]
    assert client.get(f"/uploads/{single}").status_code == 404
    forged = "expires=9999999999&upload=a&number=1&size=1&signature=b"
    assert httpx.put(f"{client.base_url}/uploads/parts/inputs/u/x/y?{forged}", content=b"1").status_code in (403, 404)


def test_parts_cover_the_size():
    for size in (1, PART_BYTES, PART_BYTES + 1, 256 << 20):
        sizes = sizes_of_parts(size)
        assert sum(sizes.values()) == size and list(sizes) == list(range(1, len(sizes) + 1))
        assert all(part == PART_BYTES for part in list(sizes.values())[:-1]) and sizes[len(sizes)] > 0
    assert len(sizes) == 52
