"""What was withdrawn, deleted or never became a job is gone: its bytes are looked for on the whole disk."""

import json
import signal
import time
from pathlib import Path

import httpx
import pytest
from fleet_stubs import stub_engine
from live_server import command, count, everything_below, reservations, wait_for

from sonic_core.errors import InputError
from sonic_core.fleet.sweeper import sweep
from sonic_core.fleet.worker import Worker
from sonic_core.ledger.forgetting import Retention
from sonic_core.ledger.reservations import reserve
from sonic_core.storage.store import StorageError

CONSENT = {"agreed": True, "subject": "s-1", "purpose": "a greeting"}
SERVE = str(Path(__file__).with_name("serve_process.py"))
DAY = 24 * 3600.0


def holding(folder: Path, *needles: bytes) -> list[str]:
    """Files below a folder that hold one of the texts."""
    found = []
    for path in everything_below(folder):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        found += [str(path.relative_to(folder)) for needle in needles if needle in content]
    return sorted(set(found))


@pytest.fixture
def photo(tmp_path, portrait):
    """A photo with text in it that can be found again."""
    from PIL import Image, PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_text("note", "FACE-CANARY-1733")
    Image.open(portrait).save(tmp_path / "marked.png", pnginfo=info)
    return (tmp_path / "marked.png").read_bytes()


@pytest.fixture
def voice(speech):
    return speech.read_bytes() + b"LIST\x20\0\0\0INFOICMT\x14\0\0\0VOICE-CANARY-9921\0\0\0\0"


def send(client, photo, voice, consent=CONSENT, **fields):
    files = {"image": ("p.png", photo), "audio": ("s.wav", voice)}
    return client.post("/jobs", files=files, data={"consent": json.dumps(consent), **fields})


NEEDLES = (b"FACE-CANARY-1733", b"VOICE-CANARY-9921", b"video of ")


def test_withdrawn_after_kill_9_of_the_service_while_it_works(tmp_path, photo, voice):
    """0.1.0 left the photo and the voice in the temporary folder, after the withdrawal, for a day."""
    place = tmp_path / "machine"
    place.mkdir()
    engine = {"SONIC_TEST_ENGINE": "endless_engine"}
    with command(place, "--all-in-one", name="first", script=SERVE, **engine) as serve:
        job = send(serve.client, photo, voice).json()
        wait_for(lambda: serve.client.get(f"/jobs/{job['id']}").json()["stage"] == "rendering")
        assert any("scratch" in name for name in holding(place / "tmp", *NEEDLES))
        serve.process.send_signal(signal.SIGKILL)
        serve.process.wait()
    assert holding(place / "tmp", *NEEDLES), "a killed process cleans nothing up"
    with command(place, "--all-in-one", name="second", script=SERVE, SONIC_TEST_ENGINE="stub_engine") as serve:
        assert serve.client.delete(f"/consents/{job['consent_id']}").json()["jobs"] == [job["id"]]
        wait_for(lambda: not holding(place, *NEEDLES), 60)
        assert serve.client.get(f"/jobs/{job['id']}/link").status_code in (409, 410)
        assert serve.client.get(f"/jobs/{job['id']}").json()["deleted"] is True


def test_killed_in_the_middle_of_an_upload(tmp_path, photo):
    """Half a form and no job: nothing may stay of it once any service of this machine lives."""
    import socket

    place = tmp_path / "machine"
    place.mkdir()
    with command(place, "--all-in-one", name="first") as serve:
        host, port = serve.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as half:
            head = f"POST /jobs HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {serve.token}\r\n"
            part = '--x\r\nContent-Disposition: form-data; name="image"; filename="p.png"\r\n\r\n'
            half.sendall(
                f"{head}Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9000000\r\n\r\n{part}".encode()
            )
            half.sendall((photo + bytes(1 << 16)) * 40)
            time.sleep(0.5)
            serve.process.kill()
            serve.process.wait()
    with command(place, "--all-in-one", name="second") as serve:
        wait_for(lambda: not holding(place, *NEEDLES), 60)
        assert serve.client.get("/jobs").json() == []


def test_deleting_one_job_leaves_the_others_their_material(client, service, stores, photo, voice):
    """Two jobs used the first one's photo by its key; after its deletion both failed."""
    first = send(client, photo, voice).json()
    inputs = {name: {"key": facts["key"]} for name, facts in service.ledger.get(first["id"]).inputs.items()}
    others = [client.post("/jobs", json={**inputs, "consent": CONSENT}).json() for _ in range(2)]
    assert client.delete(f"/jobs/{first['id']}").json()["state"] == "cancelled"
    worker = Worker(service.ledger, stores, stub_engine)
    assert [worker.run_one(job["id"]).state for job in others] == ["done", "done"]
    client.delete(f"/consents/{others[0]['consent_id']}")
    assert client.get(f"/jobs/{others[0]['id']}/link").status_code == 410
    assert client.get(f"/jobs/{others[1]['id']}/link").status_code == 200
    assert stores.inputs.head(inputs["image"]["key"]).size
    client.delete(f"/jobs/{others[1]['id']}")
    assert not list(stores.inputs.list("")) and not list(stores.outputs.list("")), "the last one takes it along"
    assert count(service, "assets") == 0


def test_everything_of_a_withdrawn_job_goes(client, service, stores, photo, voice, tmp_path):
    """Videos of every attempt, a half-finished upload, the thumbnail, the photo and the voice."""
    job = send(client, photo, voice).json()
    prefix = f"outputs/u/{job['id']}"
    stores.outputs.put(f"{prefix}/attempt-1/video.mp4", b"video of a lost attempt")
    service.ledger.mark([job["id"]], attempt=1)
    Worker(service.ledger, stores, stub_engine).run_one()
    part = stores.outputs.root / f"parts/{prefix}/attempt-3/video.mp4/.part-0123"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"video of a killed upload")
    client.delete(f"/consents/{job['consent_id']}")
    assert holding(tmp_path / "objects", *NEEDLES) == []
    assert [path.name for path in everything_below(tmp_path / "objects")] in ([], ["link-secret"])


def test_a_store_that_is_away_is_asked_again(client, service, stores, photo, voice, monkeypatch):
    job = send(client, photo, voice).json()
    with monkeypatch.context() as patch:
        patch.setattr(type(stores.inputs), "delete", broken)
        assert client.delete(f"/consents/{job['consent_id']}").status_code == 200
        sweep(service.ledger, stores)
    assert list(stores.inputs.list("inputs/"))
    sweep(service.ledger, stores)
    assert not list(stores.inputs.list("inputs/"))


def broken(*_):
    raise StorageError("The store does not answer.")


@pytest.mark.parametrize("where", ["submit", "store_file", "parse_settings"])
def test_a_request_that_comes_to_nothing_leaves_nothing(
    client, service, stores, photo, voice, monkeypatch, where, tmp_path
):
    """A failure between storing and submitting left orphans that nobody could reach."""

    def fail(*_, **__):
        raise StorageError("The store does not answer.")

    monkeypatch.setattr(f"sonic_core.service.intake.{where}", fail)
    for _ in range(3):
        assert send(client, photo, voice).status_code == 503
    assert not list(stores.inputs.list("")) and count(service, "consents") == 0
    assert not reservations(service.ledger) and holding(tmp_path / "objects", *NEEDLES) == []


def test_the_place_of_a_request_that_died_lapses_with_what_it_stored(service, stores):
    reservation = reserve(service.ledger, "u", "i-1", service.limits)
    stores.inputs.put("inputs/u/i-1/image-image.png", b"FACE-CANARY-1733")
    sweep(service.ledger, stores)
    assert reservations(service.ledger)
    service.ledger.clock.now += 61
    sweep(service.ledger, stores)
    assert not list(stores.inputs.list("")) and not reservations(service.ledger)
    assert reservation is not None


def test_an_expired_consent_serves_nothing_and_deletes(client, service, stores, photo, voice):
    ledger = service.ledger
    done = send(client, photo, voice, consent={**CONSENT, "expires": ledger.clock() + 100}).json()
    waiting = send(client, photo, voice, consent={**CONSENT, "expires": ledger.clock() + 100}).json()
    worker = Worker(ledger, stores, stub_engine)
    worker.run_one(done["id"])
    link = client.get(f"/jobs/{done['id']}/link").json()["play"]
    assert link
    ledger.clock.now += 101
    assert client.get(f"/jobs/{done['id']}/link").status_code == 410
    assert client.get(f"/jobs/{done['id']}/video", follow_redirects=False).status_code == 410
    assert worker.run_one() is None, "a job whose consent has ended is not begun"
    sweep(ledger, stores)
    assert not list(stores.inputs.list("")) and not list(stores.outputs.list(""))
    assert ledger.get(waiting["id"]).state == "cancelled"


def test_a_link_does_not_outlive_its_consent(client, service, stores, photo, voice):
    consent = {**CONSENT, "expires": service.ledger.clock() + 100}
    job = send(client, photo, voice, consent=consent).json()
    Worker(service.ledger, stores, stub_engine).run_one()
    stores.outputs.clock = service.ledger.clock
    link = httpx.URL(client.get(f"/jobs/{job['id']}/link").json()["play"])
    assert int(link.params["expires"]) <= consent["expires"]


def test_retention(client, service, stores, photo, voice):
    ledger = service.ledger
    retention = Retention(inputs_days=1, outputs_days=3, ledger_days=10)
    job = send(client, photo, voice).json()
    Worker(ledger, stores, stub_engine).run_one()
    keys = lambda: sorted(info.key.split("/")[0] for info in stores.inputs.list(""))  # noqa: E731
    sweep(ledger, stores, retention=retention)
    assert keys() == ["inputs", "inputs", "inputs", "outputs"]  # photo, its thumbnail, voice, video
    ledger.clock.now += DAY + 1
    sweep(ledger, stores, retention=retention)
    assert client.get(f"/jobs/{job['id']}/link").status_code == 200 and keys() == ["outputs"]
    ledger.clock.now += 2 * DAY
    sweep(ledger, stores, retention=retention)
    assert keys() == [] and client.get(f"/jobs/{job['id']}/link").status_code == 410
    assert client.get(f"/jobs/{job['id']}").status_code == 200
    client.delete(f"/consents/{job['consent_id']}")
    ledger.clock.now += 10 * DAY
    for _ in range(2):
        sweep(ledger, stores, retention=retention)
    assert client.get(f"/jobs/{job['id']}").status_code == 404
    assert [count(service, table) for table in ("jobs", "events", "assets", "asset_uses")] == [0] * 4
    ledger.clock.now += 10 * DAY
    sweep(ledger, stores, retention=retention)
    assert count(service, "consents") == 0


def test_cancelled_jobs_do_not_keep_their_inputs(service, stores, add_job):
    """Cancelled from the command line, which has no store to delete from."""
    job_id = add_job()
    service.ledger.cancel(job_id)
    service.ledger.clock.now += 121
    sweep(service.ledger, stores)
    assert not list(stores.inputs.list("inputs/"))
    with pytest.raises(InputError, match="have been deleted"):
        service.ledger.retry(job_id)


def test_by_person(client, service, stores, photo, voice):
    jobs = [send(client, photo, voice, consent={**CONSENT, "subject": who}).json() for who in ("anna", "anna", "ben")]
    Worker(service.ledger, stores, stub_engine).run_one(jobs[0]["id"])
    assert len(client.get("/consents").json()) == 3
    assert {c["id"] for c in client.get("/consents?subject=anna").json()} == {job["consent_id"] for job in jobs[:2]}
    held = client.get("/export?subject=anna").json()
    assert {job["id"] for job in held["jobs"]} == {job["id"] for job in jobs[:2]} and len(held["consents"]) == 2
    assert len(held["objects"]) == 5 and all(url.startswith("http") for url in held["objects"].values())
    assert sorted(client.delete("/consents?subject=anna").json()["jobs"]) == sorted(job["id"] for job in jobs[:2])
    assert {info.key.split("/")[2] for info in stores.inputs.list("")} == {jobs[2]["id"]}
    assert client.delete("/consents?subject=nobody").status_code == 404
    assert client.delete("/consents").status_code == 422
