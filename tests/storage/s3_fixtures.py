"""A real S3 server for tests, and a store on it."""

import pytest


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
    client = open_s3_store(profile).client
    client.create_bucket(Bucket=profile.bucket)
    client.put_bucket_versioning(Bucket=profile.bucket, VersioningConfiguration={"Status": "Enabled"})
    return S3Store(profile, client, threshold=256 << 10, part_size=5 << 20)
