"""Bombs and nonsense: every bad request is refused with a sentence, none is a 500."""

import contextlib
import json
import time

import httpx
import pytest
from live_server import count, raw

CONSENT = {"agreed": True, "subject": "s-1", "purpose": "a greeting"}


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 5000,
        b"{" * 5000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"[" + b"{}," * 20000 + b"{}]",
        b'{"image": NaN}',
        b'"\\ud800"',
        b'{"\\ud800": 1}',
        b"\xff\xfe",
        b"",
        b"null",
        b"[]",
        b"1",
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a":1,"a":2}',
        b'{"consent": {"agreed": true, "subject": "s", "purpose": "\\ud800"}}',
        b'{"image": {"url": "https://8.8.8.8/\\u0001"}}',
    ],
)
def test_bad_json_is_refused(client, body):
    answer = client.post("/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400 and answer.json()["detail"]


def test_a_large_json_is_refused_unread(client, url):
    body = b"[" + b"{}," * 20_000_000 + b"{}]"
    start = time.monotonic()
    with contextlib.suppress(
        httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError
    ):  # it may close the connection while we are still sending
        assert client.post("/jobs", content=body, headers={"Content-Type": "application/json"}).status_code == 413
    assert httpx.get(f"{url}/health").status_code == 200 and time.monotonic() - start < 20

    def endless():
        for _ in range(1000):
            yield b" " * 65536

    with pytest.raises((httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError, AssertionError)):
        answer = client.post("/jobs", content=endless(), headers={"Content-Type": "application/json"})
        assert answer.status_code != 413
    assert httpx.get(f"{url}/health").status_code == 200


@pytest.mark.parametrize(
    "settings",
    [
        {"face_box": 5},
        {"face_box": "abcd"},
        {"face_box": [0, 0, "a", 3]},
        {"face_box": [0, 0, 1]},
        {"face_box": {}},
        {"face_box": [None] * 4},
        {"seed": 10**40},
        {"seed": 1.5},
        {"seed": True},
        {"seed": "1"},
        {"fps": "25"},
        {"preset": 5},
        {"preset": []},
        {"label": {}},
        {"framing": ["whole"]},
        {"trim": 1},
        {"": 1},
        {"a" * 5000: 1},
        [],
        5,
        "x",
    ],
)
def test_odd_settings_are_refused(post, settings):
    answer = post(settings=json.dumps(settings))
    assert answer.status_code == 400 and answer.json()["detail"], answer.text


@pytest.mark.parametrize(
    "consent",
    [
        {"expires": float("nan")},
        {"expires": float("inf")},
        {"expires": True},
        {"expires": "9999999999"},
        {"expires": -1},
        {"expires": 1e300},
        {"subject": 5},
        {"subject": "a\0b"},
        {"subject": "x" * 201},
        {"subject": "a\nb"},
        {"purpose": ["x"]},
        {"agreed": "true"},
        {"agreed": 1},
        {"subject_is_user": "yes"},
        {"more": 1},
    ],
)
def test_odd_consents_are_refused(post, service, consent):
    answer = post(consent={**CONSENT, **consent})
    assert answer.status_code == 400 and count(service, "consents") == 0, answer.text


@pytest.mark.parametrize("host", ["[", "a b", "x:99999999", "a/b", "", "[::1", "é"])
def test_odd_hosts_are_refused(url, host):
    for path in ("/", "/session", "/jobs", "/jobs/", "/static"):
        status, _ = raw(url, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
        assert 400 <= status < 500


def test_broken_forms_are_refused(client):
    kind = "multipart/form-data; boundary=x"
    for content, content_type in [
        (b"", kind),
        (b"--x", kind),
        (b"--x\r\n\r\n", kind),
        (b"nonsense", kind),
        (b"--x\r\n" + b"A" * 70_000, kind),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x--\r\n", kind),
        (b"x", "multipart/form-data"),
        (b"--x\r\nContent-Disposition: form-data; name=" + b"a" * 10_000_000 + b"\r\n\r\nx\r\n--x--\r\n", kind),
        (b"--x\r\nContent-Disposition: form-data; name=consent\r\n\r\n" + b"[" * 60_000 + b"\r\n--x--\r\n", kind),
        (b"--x\r\nContent-Disposition: form-data; name=consent\r\n\r\n" + b"[" * 70_000 + b"\r\n--x--\r\n", kind),
        (b"--x\r\nContent-Disposition: form-data; name=name\r\n\r\nx\r\n" * 100 + b"--x--\r\n", kind),
        (b"a=b", "application/x-www-form-urlencoded"),
    ]:
        answer = client.post("/jobs", content=content, headers={"Content-Type": content_type})
        assert answer.status_code in (400, 413), (content[:60], answer.text)
