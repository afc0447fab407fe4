"""Requests of any shape: no answer is a 500. The shapes come from hypothesis.

Some hundreds in `make test`; ten thousand by `SONIC_TEST_FUZZ=15 python -m pytest tests/service/test_fuzz.py`.
"""

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from sonic_core.service.api_keys import create_key
from sonic_core.service.app import Service, make_app

NAMES = [
    "image",
    "audio",
    "consent",
    "consent_id",
    "settings",
    "webhook",
    "name",
    "key",
    "url",
    "asset",
    "agreed",
    "subject",
    "purpose",
    "expires",
    "subject_is_user",
    "face_box",
    "seed",
    "fps",
    "preset",
    "label",
    "framing",
    "duration",
    "trim",
    "min_resolution",
    "width",
    "height",
    "seconds",
]
TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["\0", "\ud800", "inputs/u/a/b.png", "inputs/u/../x", "https://8.8.8.8/\x01", "https://127.0.0.1/", "a" * 3000]
    ),
)
ATOMS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.sampled_from([10**400, -(10**30), 1e308])
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.one_of(st.sampled_from(NAMES), TEXTS), inner, max_size=5)
    ),
    max_leaves=12,
)
CONSENT = {"agreed": True, "subject": "s", "purpose": "p"}
BODIES = st.one_of(
    VALUES,
    st.fixed_dictionaries({}, optional={name: VALUES for name in NAMES[:7]}),
    st.fixed_dictionaries(
        {"consent": st.just(CONSENT)}, optional={name: VALUES for name in NAMES[:7] if name != "consent"}
    ),
    st.fixed_dictionaries(
        {"consent": st.just(CONSENT), "settings": st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3)}
    ),
)
METHODS = st.sampled_from(["GET", "POST", "DELETE", "PUT", "HEAD", "PATCH", "OPTIONS"])
SEGMENTS = st.sampled_from(
    [
        "jobs",
        "consents",
        "assets",
        "files",
        "static",
        "events",
        "link",
        "video",
        "retry",
        "export",
        "metrics",
        "session",
        "storage-events",
        "..",
        "%00",
        "%ff",
        "%0a",
        "%2e%2e",
        "",
        "a" * 300,
        "é",
        "estimate",
        "subjects",
        "uploads",
        "streams",
    ]
)
QUERIES = st.dictionaries(
    st.sampled_from(
        ["limit", "subject", "token", "expires", "signature", "filename", "cursor", "state", "since", "until", "key"]
    ),
    st.one_of(st.text(max_size=20), st.integers().map(str), st.sampled_from(["nan", "inf", "-1", "1e999", "9" * 40])),
    max_size=4,
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "Idempotency-Key",
            "Content-Type",
            "Range",
            "Origin",
            "X-Forwarded-For",
            "Cookie",
            "Accept",
            "If-None-Match",
            "If-Range",
            "X-HTTP-Method-Override",
            "Sec-Fetch-Site",
        ]
    ),
    st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=255), max_size=30),
    max_size=3,
)
TIMES = int(os.environ.get("SONIC_TEST_FUZZ", "1"))
RELAXED = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None, "derandomize": True}


@pytest.fixture
def anybody(ledger, stores):
    client = TestClient(make_app(Service(ledger, stores)), raise_server_exceptions=False, follow_redirects=False)
    client.headers["X-API-Key"] = create_key(ledger, "u")
    return client


@settings(max_examples=300 * TIMES, **RELAXED)
@given(body=BODIES)
def test_any_json(anybody, body):
    text = json.dumps(body)
    answer = anybody.post("/jobs", content=text, headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, (answer.text, text)


@settings(max_examples=150 * TIMES, **RELAXED)
@given(
    fields=st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=10)), VALUES, max_size=5),
    raw=st.booleans(),
)
def test_any_form(anybody, fields, raw):
    texts = {name: value if raw and isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    try:
        request = anybody.build_request("POST", "/jobs", data=texts, files={"image": ("x", b"x")})
    except UnicodeEncodeError:
        return  # cannot be sent by this client
    answer = anybody.send(request)
    assert answer.status_code < 500, (answer.text, texts)


@settings(max_examples=100 * TIMES, **RELAXED)
@given(
    body=st.binary(max_size=300),
    kind=st.sampled_from(["application/json", "multipart/form-data; boundary=x", "text/plain", ""]),
)
def test_any_bytes(anybody, body, kind):
    answer = anybody.post("/jobs", content=body, headers={"Content-Type": kind})
    assert answer.status_code < 500, (answer.text, body)


@settings(max_examples=150 * TIMES, **RELAXED)
@given(method=METHODS, segments=st.lists(SEGMENTS, max_size=4), query=QUERIES, headers=HEADERS)
def test_any_path(anybody, method, segments, query, headers):
    try:
        request = anybody.build_request(
            method, "/" + "/".join(segments), params=query, headers={k: v.encode("latin-1") for k, v in headers.items()}
        )
    except (UnicodeEncodeError, ValueError):
        return
    answer = anybody.send(request)
    assert answer.status_code < 500 or (segments, answer.status_code) == (["ready"], 503), (
        answer.text,
        request.url,
        headers,
    )
