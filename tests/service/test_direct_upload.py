"""Uploads straight to the store: the signature covers key, size and type; what no job used goes after an hour."""

import base64
import json

import httpx
import pytest
from fleet_stubs import stub_engine
from live_server import reservations, serving

from sonic_core.fleet.sweeper import sweep
from sonic_core.fleet.worker import Worker
from sonic_core.service.app import Service
from sonic_core.storage.folder import FolderStore
from sonic_core.storage.stores import Stores

CONSENT = {"agreed": True, "subject": "s", "purpose": "p"}


@pytest.fixture(params=["folder", "s3", "oss"])
def place(request, ledger, tmp_path, monkeypatch):
    """A client of a service whose store is a folder, S3 or OSS; the stores; the ledger."""
    from sonic_core.service.api_keys import create_key

    if request.param == "folder":
        store = FolderStore(tmp_path / "objects", "http://placeholder", clock=ledger.clock)
        stores = Stores(store, store, 600)
    elif request.param == "s3":
        store = request.getfixturevalue("s3_store")
        stores = Stores(store, store, 600)
    else:
        request.getfixturevalue("oss")
        from sonic_core.storage.profiles import load_profile
        from sonic_core.storage.stores import open_stores

        stores = open_stores(load_profile())
    with serving(Service(ledger, stores)) as url:
        if request.param == "folder":
            store.base_url = url
        with httpx.Client(base_url=url, headers={"X-API-Key": create_key(ledger, "u")}, timeout=20) as client:
            yield client, stores, ledger


def send(link, content, **changed):
    if link["method"] == "POST":
        return httpx.post(link["url"], data={**link["fields"], **changed}, files={"file": content})
    headers = {name: value for name, value in link["headers"].items() if name != "Content-Length"}  # the client's own
    return httpx.put(link["url"], content=content, headers={**headers, **changed})


def ask(client, kind, content, kind_of_content):
    body = {"kind": kind, "size": len(content), "content_type": kind_of_content}
    return client.post("/uploads", json=body).json()


def test_from_the_browser_to_the_store_to_a_job(place, portrait, speech):
    client, stores, ledger = place
    photo, voice = portrait.read_bytes(), speech.read_bytes()
    links = ask(client, "image", photo, "image/png"), ask(client, "audio", voice, "audio/wav")
    for link, content in zip(links, (photo, voice), strict=True):
        assert send(link, content).status_code < 300
    assert len(reservations(ledger)) == 2, "they count as active"
    body = {"image": {"key": links[0]["key"]}, "audio": {"key": links[1]["key"]}, "consent": CONSENT}
    job = client.post("/jobs", json=body).json()
    assert not reservations(ledger)
    ledger.clock.now += 3601
    sweep(ledger, stores)
    assert Worker(ledger, stores, stub_engine).run_one().id == job["id"]
    client.delete(f"/jobs/{job['id']}")
    assert not list(stores.inputs.list(""))


def test_the_signature_covers_size_and_type(place, portrait):
    client, stores, _ = place
    photo = portrait.read_bytes()
    link = ask(client, "image", photo, "image/png")
    if link["method"] == "POST":  # moto's server does not judge policies, as a real one does: read ours
        policy = json.loads(base64.b64decode(link["fields"]["policy"]))["conditions"]
        assert ["content-length-range", len(photo), len(photo)] in policy and {"Content-Type": "image/png"} in policy
        assert {"key": f"shop/{link['key']}"} in policy
        return
    assert send(link, photo + b"more").status_code >= 400
    assert send(link, photo[:-1]).status_code >= 400
    assert send(link, photo, **{"Content-Type": "text/html"}).status_code >= 400
    elsewhere = {**link, "url": link["url"].replace(link["key"].split("/")[2], "upload-0")}
    assert send(elsewhere, photo).status_code >= 400
    assert not list(stores.inputs.list(""))


def test_what_no_job_used_goes(place, portrait):
    client, stores, ledger = place
    photo = portrait.read_bytes()
    link = ask(client, "image", photo, "image/png")
    assert send(link, photo).status_code < 300
    sweep(ledger, stores)
    assert list(stores.inputs.list(""))
    ledger.clock.now += 3601
    sweep(ledger, stores)
    assert not list(stores.inputs.list("")) and not reservations(ledger)


def test_bad_requests(place):
    client, _, _ = place
    good = {"kind": "image", "size": 5, "content_type": "image/png"}
    for changed in ({"kind": "film"}, {"size": 0}, {"size": 1 << 40}, {"content_type": "a\nb"}, {"more": 1}):
        assert client.post("/uploads", json={**good, **changed}).status_code == 400
    forged = f"{client.base_url}/uploads/inputs/u/x/y?expires=9&size=1&type=a&signature=b"
    assert httpx.put(forged).status_code in (403, 404)
