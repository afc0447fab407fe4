"""Fixtures of the fleet and service tests: a ledger in SQLite, a folder store, small real inputs, a stub engine."""

import wave

import numpy as np
import pytest

pytest.importorskip("sqlalchemy")

from receiver import open_network, receiver  # noqa: F401 - fixtures

from sonic_core.fleet.submission import Materials, store_files, submit
from sonic_core.ledger.consents import record_consent
from sonic_core.ledger.database import open_database
from sonic_core.ledger.jobs import new_job_id
from sonic_core.ledger.ledger import Ledger
from sonic_core.storage.folder import FolderStore
from sonic_core.storage.stores import Stores


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(open_database(f"sqlite:///{tmp_path}/ledger.sqlite"), Clock())
    yield ledger
    ledger.engine.dispose()


@pytest.fixture
def stores(tmp_path):
    store = FolderStore(tmp_path / "objects", base_url="http://testserver")
    return Stores(store, store, 600)


@pytest.fixture
def oss(tmp_path, monkeypatch):
    """A strict OSS server with two buckets; profile and credentials in the environment, as a fleet has them."""
    pytest.importorskip("oss2")
    from oss_server import Bucket, OssServer
    from oss_signature import Account

    with OssServer(seed=1) as server:
        server.accounts["canary-id-5512"] = Account("canary-secret-8830", "canary-token-6203")
        server.buckets.update({"materials": Bucket(), "results": Bucket()})
        for variable, value in {
            "SONIC_STORAGE_CONFIG": str(tmp_path / "none"), "SONIC_OSS_BUCKET": "materials",
            "SONIC_OSS_OUTPUT_BUCKET": "results", "SONIC_OSS_REGION": server.region,
            "SONIC_OSS_ENDPOINT": server.endpoint, "OSS_ACCESS_KEY_ID": "canary-id-5512",
            "OSS_ACCESS_KEY_SECRET": "canary-secret-8830", "OSS_SESSION_TOKEN": "canary-token-6203",
        }.items():  # fmt: skip
            monkeypatch.setenv(variable, value)
        yield server


@pytest.fixture
def portrait(tmp_path):
    from PIL import Image

    path = tmp_path / "portrait.png"
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(path)
    return path


@pytest.fixture
def speech(tmp_path):
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(16000)
        file.writeframes(bytes(16000))
    return path


@pytest.fixture
def a_second_of_speech(speech_path, tmp_path):
    from sonic_core.media.audio import load_audio

    whole = load_audio(speech_path)
    path = tmp_path / "second.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(whole.rate)
        file.writeframes((whole.mono()[: whole.rate] * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="session")
def lite():
    """The engine that ships, loaded once for all tests."""
    from sonic_core.fleet.backends import core_engine

    return core_engine("lite", "cpu")


@pytest.fixture
def consent(ledger):
    return record_consent(ledger.engine, "u", subject="s", subject_is_user=True, purpose="a greeting", sources=[])


@pytest.fixture
def add_job(ledger, stores, portrait, speech, consent):
    def add(job_id=None, settings=None, **options) -> str:
        job_id = job_id or new_job_id()
        materials: Materials = store_files(stores, "u", job_id, {"image": portrait, "audio": speech})
        submit(
            ledger,
            job_id=job_id,
            user="u",
            materials=materials,
            consent_id=consent.id,
            settings=settings or {},
            **options,
        )
        return job_id

    return add
