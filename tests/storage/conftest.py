"""Fixtures of the storage tests: a strict OSS server with two buckets, and an OSS store on it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from s3_fixtures import s3_server, s3_store  # noqa: F401 - fixtures


@pytest.fixture
def oss_server():
    pytest.importorskip("oss2")
    from oss_server import Bucket, OssServer
    from oss_signature import Account

    with OssServer() as server:
        server.accounts["TESTKEY"] = Account("canary-secret-4711")
        server.buckets.update({"materials": Bucket(), "results": Bucket()})
        yield server


@pytest.fixture
def make_oss_store(oss_server):
    import tenacity

    from sonic_core.storage.credentials import Credentials
    from sonic_core.storage.oss import OssStore, retrying
    from sonic_core.storage.profiles import Profile

    class Fixed:
        def get_credentials(self):
            return Credentials("TESTKEY", "canary-secret-4711")

    def make(provider=None, bucket="materials", attempts=6, part_size=128 << 10, **profile):
        values = {"kind": "oss", "bucket": bucket, "region": "cn-hangzhou", "endpoint": oss_server.endpoint, **profile}
        return OssStore(
            Profile(**values),
            provider or Fixed(),
            retry=lambda: retrying(attempts).copy(wait=tenacity.wait_none()),
            threshold=256 << 10,
            part_size=part_size,
        )

    return make
