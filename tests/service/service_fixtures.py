"""The fixtures of the fleet, and the service itself on a socket."""

import json

import httpx
import pytest
from fleet_fixtures import *  # noqa: F403
from live_server import serving
from s3_fixtures import s3_server, s3_store  # noqa: F401 - fixtures

from sonic_core.ledger.reservations import Limits
from sonic_core.service.api_keys import create_key
from sonic_core.service.app import Service

CONSENT = {"agreed": True, "subject": "s-1", "purpose": "a greeting"}


@pytest.fixture
def service(ledger, stores):
    return Service(ledger, stores, limits=Limits(active_jobs=5, jobs_a_day=1000))


@pytest.fixture
def url(service):
    with serving(service) as url:
        yield url


@pytest.fixture
def client(service, url):
    headers = {"Authorization": f"Bearer {create_key(service.ledger, 'u')}"}
    with httpx.Client(base_url=url, headers=headers, timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture
def post(client, portrait, speech):
    def post(consent=CONSENT, headers=None, image=None, via=client, **fields):
        files = {"image": ("p.png", image or portrait.read_bytes()), "audio": ("s.wav", speech.read_bytes())}
        return via.post("/jobs", files=files, data={"consent": json.dumps(consent), **fields}, headers=headers)

    return post
