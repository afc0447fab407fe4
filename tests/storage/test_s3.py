"""What is particular to S3; what all stores share is in test_store_contract.py."""

import httpx
import pytest

from sonic_core.errors import SettingsError
from sonic_core.storage.crc64 import crc64
from sonic_core.storage.profiles import Profile
from sonic_core.storage.store import ChecksumError, StorageError
from sonic_core.storage.stores import open_stores

LARGE = bytes(range(256)) * 50_000  # 12.8 MB: three parts


def test_every_version_goes(s3_store):
    for data in (b"first", b"second"):
        s3_store.put("a/b", data, overwrite=True)
    s3_store.put("a/bc", b"another")
    s3_store.delete("a/b")
    versions = s3_store.client.list_object_versions(Bucket=s3_store.profile.bucket)
    assert [version["Key"] for version in versions["Versions"]] == ["shop/a/bc"] and "DeleteMarkers" not in versions


def test_half_finished_uploads_are_aborted_by_their_prefix(s3_store, tmp_path):
    for key in ("outputs/u/j1/attempt-1/v.mp4", "outputs/u/j2/attempt-1/v.mp4"):
        s3_store.client.create_multipart_upload(Bucket=s3_store.profile.bucket, Key=f"shop/{key}")
    s3_store.abort_uploads("outputs/u/j1/")
    left = s3_store.client.list_multipart_uploads(Bucket=s3_store.profile.bucket)["Uploads"]
    assert [upload["Key"] for upload in left] == ["shop/outputs/u/j2/attempt-1/v.mp4"]


def test_parts_make_a_whole(s3_store, tmp_path):
    source = tmp_path / "large"
    source.write_bytes(LARGE)
    info = s3_store.put("a/large", source)
    assert (info.size, info.crc64) == (len(LARGE), crc64(LARGE)) and info.etag.endswith("-3")
    s3_store.get("a/large", tmp_path / "back", max_bytes=len(LARGE), crc64=info.crc64)
    assert (tmp_path / "back").read_bytes() == LARGE


def test_what_others_uploaded_is_verified_as_far_as_it_can_be(s3_store, tmp_path):
    s3_store.client.put_object(Bucket=s3_store.profile.bucket, Key="shop/inputs/u/j/p.png", Body=b"theirs")
    assert s3_store.head("inputs/u/j/p.png").crc64 is None
    info = s3_store.get("inputs/u/j/p.png", tmp_path / "p", max_bytes=100)
    assert info.crc64 == crc64(b"theirs") and (tmp_path / "p").read_bytes() == b"theirs"
    with pytest.raises(ChecksumError):
        s3_store.get("inputs/u/j/p.png", tmp_path / "q", max_bytes=100, crc64=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p"]


def test_links_work_without_credentials(s3_store):
    s3_store.put("outputs/u/j/v.mp4", b"video", content_type="video/mp4", cache="max-age=60")
    answer = httpx.get(s3_store.sign("outputs/u/j/v.mp4", seconds=60, filename="生日.mp4"))
    assert answer.headers["cache-control"] == "max-age=60"
    assert answer.content == b"video" and "UTF-8''%E7%94%9F" in answer.headers["content-disposition"]
    assert "canary-s3-7741" not in s3_store.sign("outputs/u/j/v.mp4").replace("Credential=canary-s3-7741", "")


def test_profiles(s3_server, monkeypatch):
    stores = open_stores(Profile(kind="s3", bucket="in", output_bucket="out", endpoint=s3_server))
    assert (stores.inputs.profile.bucket, stores.outputs.profile.bucket) == ("in", "out")
    for bad in ({"bucket": ""}, {"bucket": "b", "endpoint": "http://example.com"}):
        with pytest.raises(SettingsError):
            Profile(kind="s3", **bad)
    with pytest.raises(SettingsError):
        open_stores(Profile(kind="s3", bucket="b", credentials="ecs:role"))


def test_a_bucket_that_is_not_there_or_does_not_answer(s3_server, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "canary-s3-7741")
    gone = open_stores(Profile(kind="s3", bucket="never-made", endpoint=s3_server)).inputs
    with pytest.raises(StorageError) as caught:
        gone.put("a", b"x")
    assert "canary" not in str(caught.value)


def test_a_timeout_is_a_sentence_of_the_store(s3_store, monkeypatch):
    """Four of botocore's errors are OSErrors, too."""
    from botocore.exceptions import ReadTimeoutError

    def late(**_):
        raise ReadTimeoutError(endpoint_url="http://127.0.0.1")

    monkeypatch.setattr(s3_store.client, "head_object", late)
    with pytest.raises(StorageError, match="gave no answer for a/b"):
        s3_store.head("a/b")
