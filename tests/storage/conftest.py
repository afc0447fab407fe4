"""Fixtures of the storage tests: a strict OSS server with two buckets, and an OSS store on it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


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


@pytest.fixture(scope="session")
def s3_server():
    """moto's S3 server on a socket: what boto3 sends is what a real one would get."""
    pytest.importorskip("boto3")
    moto_server = pytest.importorskip("moto.server")
    server = moto_server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_store(s3_server, monkeypatch):
    """A store on a new bucket with versions, in parts of 5 MiB, the least S3 takes."""
    import uuid

    from sonic_core.storage.profiles import Profile
    from sonic_core.storage.s3 import S3Store, open_s3_store

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "canary-s3-7741")
    profile = Profile(kind="s3", bucket=f"b-{uuid.uuid4().hex}", endpoint=s3_server, region="us-east-1", prefix="shop/")
    client = open_s3_store(profile)._client
    client.create_bucket(Bucket=profile.bucket)
    client.put_bucket_versioning(Bucket=profile.bucket, VersioningConfiguration={"Status": "Enabled"})
    return S3Store(profile, client, threshold=256 << 10, part_size=5 << 20)
