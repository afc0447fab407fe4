"""Limits and idempotency keys in parallel."""

import concurrent.futures
import json

from live_server import count

CONSENT = {"agreed": True, "subject": "s-1", "purpose": "a greeting"}


def test_limits_hold_in_parallel(post, service, stores):
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        answers = [future.result() for future in [pool.submit(post) for _ in range(60)]]
    assert sorted(answer.status_code for answer in answers) == [202] * 5 + [429] * 55
    assert service.ledger.counts()["queued"] == 5 and count(service, "consents") == 5
    assert len(list(stores.inputs.list("inputs/"))) == 15, "photo, voice and thumbnail of each, and nothing else"


def test_one_idempotency_key_in_parallel_is_one_job(post, service, stores, tmp_path):
    from PIL import Image

    photos = []
    for number in range(6):
        Image.new("RGB", (64, 64), (number * 40, 0, 0)).save(tmp_path / f"{number}.png")
        photos.append((tmp_path / f"{number}.png").read_bytes())
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        work = [pool.submit(post, headers={"Idempotency-Key": "order 1"}, image=photo) for photo in photos]
        answers = [future.result() for future in work]
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [202] + [422] * 5, [answer.text for answer in answers]
    assert service.ledger.counts()["queued"] == 1 and count(service, "consents") == 1
    job = service.ledger.find_all()[0]
    stored = stores.inputs.path_of(job.inputs["image"]["key"]).read_bytes()
    assert stored == photos[[answer.status_code for answer in answers].index(202)]
    assert str(stores.inputs.head(job.inputs["image"]["key"]).crc64) == job.inputs["image"]["crc64"]


def test_the_same_request_again_is_the_same_job_and_another_is_refused(post):
    headers = {"Idempotency-Key": "order 2"}
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = [f.result() for f in [pool.submit(post, headers=headers) for _ in range(6)]]
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = post(headers=headers, settings=json.dumps({"seed": 4}))
    assert other.status_code == 422 and "Idempotency-Key" in other.json()["detail"]
    assert post(headers={"Idempotency-Key": ""}).status_code == 400


def test_what_a_video_costs_is_limited(post, client, service):
    answer = post(settings=json.dumps({"min_resolution": 4096, "fps": 120, "duration": 1800}))
    assert answer.status_code == 429 and "gigapixels" in answer.json()["detail"] and "fps" in answer.json()["detail"]
    assert count(service, "consents") == 0 and list(service.stores.inputs.list("inputs/")) == []


def test_a_place_renewed_in_the_moment_its_job_is_made(post, service, monkeypatch):
    """A renewal that finds the place just taken by its own job must not undo the job."""
    monkeypatch.setattr("sonic_core.service.intake._RENEW_SECONDS", 0.0)
    answers = [post() for _ in range(5)]
    assert [answer.status_code for answer in answers] == [202] * 5
    for answer in answers:
        job = service.ledger.get(answer.json()["id"])
        assert all(service.stores.inputs.head(facts["key"]) for facts in job.inputs.values())
