"""What is particular to the folder store; what both stores share is in test_store_contract.py."""

import time
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from sonic_core.errors import InputError
from sonic_core.storage.folder import FolderStore
from sonic_core.storage.store import ObjectNotFound


def parts(url):
    split = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(split.query, keep_blank_values=True).items()}
    return unquote(split.path).removeprefix("/files/"), int(query["expires"]), query["filename"], query["signature"]


def test_links_hold_until_they_expire_and_cannot_be_bent(tmp_path):
    now = [1000.0]
    store = FolderStore(tmp_path, base_url="http://127.0.0.1:1", clock=lambda: now[0])
    store.put("outputs/u/j/attempt-1/ä b.mp4", b"video")
    key, expires, filename, signature = parts(store.sign("outputs/u/j/attempt-1/ä b.mp4", seconds=60, filename="v.mp4"))
    assert store.verify_link(key, expires, filename, signature).read_bytes() == b"video"
    for bent in ((key + "x", expires, filename), (key, expires + 1, filename), (key, expires, "w.mp4")):
        with pytest.raises(InputError, match="signature"):
            store.verify_link(*bent, signature)
    now[0] = 1061
    with pytest.raises(InputError, match="expired"):
        store.verify_link(key, expires, filename, signature)


def test_link_to_a_deleted_object(tmp_path):
    store = FolderStore(tmp_path, base_url="http://127.0.0.1:1")
    store.put("a/b", b"x")
    link = parts(store.sign("a/b"))
    store.delete("a/b")
    with pytest.raises(ObjectNotFound):
        store.verify_link(*link)


def test_a_symbolic_link_does_not_lead_out(tmp_path):
    store = FolderStore(tmp_path / "store")
    store.put("a/b", b"x")
    (tmp_path / "outside").mkdir()
    (tmp_path / "store/objects/out").symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="leads out"):
        store.put("out/x", b"x")


def test_a_crash_between_object_and_record_leaves_a_readable_object(tmp_path):
    store = FolderStore(tmp_path)
    before = store.put("a/b.png", b"picture")
    (tmp_path / "meta/a/b.png.json").unlink()
    after = store.head("a/b.png")
    assert (after.crc64, after.size, after.content_type) == (before.crc64, before.size, "image/png")


def test_what_a_killed_upload_left_goes_after_three_days(tmp_path):
    now = [time.time()]
    store = FolderStore(tmp_path, clock=lambda: now[0])
    (tmp_path / "parts").mkdir()
    left = tmp_path / "parts/.part-0123456789abcdef"
    left.write_bytes(b"half")
    store.put("a/b", b"x")
    assert left.exists()
    now[0] += 3 * 24 * 3600 + 60
    store.put("a/c", b"x")
    assert list((tmp_path / "parts").iterdir()) == []
    assert [info.key for info in store.list("")] == ["a/b", "a/c"]
