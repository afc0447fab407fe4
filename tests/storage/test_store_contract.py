"""What a folder and OSS must both do; also on a real bucket, where SONIC_TEST_LIVE=1 and a profile name one."""

import os
import uuid
from dataclasses import replace

import pytest

from sonic_core.errors import InputError
from sonic_core.storage.crc64 import crc64
from sonic_core.storage.folder import FolderStore
from sonic_core.storage.store import ChecksumError, ObjectExists, ObjectNotFound

SMALL = b"a small object"
LARGE = bytes(range(256)) * 2800  # 700 KiB: multipart in the test store


@pytest.fixture(params=["folder", "oss", "s3", "live"])
def store(request, tmp_path):
    if request.param == "folder":
        yield FolderStore(tmp_path / "store")
    elif request.param == "s3":
        yield request.getfixturevalue("s3_store")
    elif request.param == "oss":
        yield request.getfixturevalue("make_oss_store")(prefix="shop/")
    elif not os.environ.get("SONIC_TEST_LIVE"):
        pytest.skip("SONIC_TEST_LIVE is not set")
    else:
        from sonic_core.storage.credentials import make_provider
        from sonic_core.storage.oss import OssStore
        from sonic_core.storage.profiles import load_profile

        profile = replace(load_profile(), prefix=f"sonic-live-test/{uuid.uuid4().hex}/")
        live = OssStore(profile, make_provider(profile.credentials), threshold=256 << 10, part_size=128 << 10)
        yield live
        for found in list(live.list("")):
            live.delete(found.key)


def put(store, tmp_path, key, data, **options):
    source = tmp_path / "source.bin"
    source.write_bytes(data)
    return store.put(key, source, **options)


@pytest.mark.parametrize("data", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
def test_round_trip(store, tmp_path, data):
    key = "inputs/u/j/声音 1+2.flac"
    info = put(store, tmp_path, key, data, content_type="audio/flac")
    assert (info.key, info.size, info.crc64, info.content_type) == (key, len(data), crc64(data), "audio/flac")
    assert store.head(key) == info
    got = store.get(key, tmp_path / "deep/target.bin", max_bytes=len(data), crc64=info.crc64)
    assert got.size == info.size and (tmp_path / "deep/target.bin").read_bytes() == data
    assert (tmp_path / "deep/target.bin").stat().st_mode == (tmp_path / "source.bin").stat().st_mode
    assert [(o.key, o.size) for o in store.list("inputs/u/")] == [(key, len(data))]


def test_content_type_is_guessed(store, tmp_path):
    assert put(store, tmp_path, "a/v.mp4", SMALL).content_type == "video/mp4"


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_overwrite_only_when_asked(store, tmp_path, data):
    store.put("a/b", b"first")
    with pytest.raises(ObjectExists, match="a/b"):
        put(store, tmp_path, "a/b", data)
    assert store.head("a/b").size == 5
    assert put(store, tmp_path, "a/b", data, overwrite=True).size == len(data)


def test_missing_object(store, tmp_path):
    with pytest.raises(ObjectNotFound, match="a/none"):
        store.head("a/none")
    with pytest.raises(ObjectNotFound):
        store.get("a/none", tmp_path / "x", max_bytes=10)
    store.delete("a/none")
    assert not (tmp_path / "x").exists()


def test_delete_and_list_by_prefix(store):
    for key in ("outputs/u/j1/attempt-1/v", "outputs/u/j1/attempt-2/v", "outputs/u/j10/attempt-1/v"):
        store.put(key, SMALL)
    store.delete("outputs/u/j1/attempt-1/v")
    assert [o.key for o in store.list("outputs/u/j1/")] == ["outputs/u/j1/attempt-2/v"]
    assert [o.key for o in store.list("outputs/u/j1")] == ["outputs/u/j1/attempt-2/v", "outputs/u/j10/attempt-1/v"]
    assert list(store.list("nothing/here/")) == []


def test_download_is_capped_and_checked(store, tmp_path):
    info = store.put("a/b", SMALL)
    with pytest.raises(InputError, match="at most 13"):
        store.get("a/b", tmp_path / "x", max_bytes=info.size - 1)
    with pytest.raises(ChecksumError, match="recorded"):
        store.get("a/b", tmp_path / "x", max_bytes=100, crc64=1)
    assert list(tmp_path.glob("x")) == [] and list(tmp_path.glob(".part-*")) == []


def test_bad_keys(store):
    for key in ("", "/a", "a/../b", "a\\b", "x" * 1024):
        with pytest.raises(InputError):
            store.put(key, b"")
        with pytest.raises(InputError):
            store.head(key)


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_cancel_from_progress_leaves_nothing(store, tmp_path, data):
    class Cancelled(Exception):
        pass

    def on_step(done, total, preview=None):
        assert 0 <= done <= total == len(data)
        if done or data is SMALL:
            raise Cancelled

    with pytest.raises(Cancelled):
        put(store, tmp_path, "a/b", data, on_step=on_step)
    assert list(store.list("a/")) == []
    put(store, tmp_path, "a/b", data)


def test_progress_ends_at_the_whole(store, tmp_path):
    up, down = [], []
    put(store, tmp_path, "a/b", LARGE, on_step=lambda done, total, preview=None: up.append((done, total)))
    store.get("a/b", tmp_path / "x", max_bytes=1 << 20, on_step=lambda done, total: down.append((done, total)))
    for seen in (up, down):
        assert seen == sorted(seen) and seen[-1] == (len(LARGE), len(LARGE))
