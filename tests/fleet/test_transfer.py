"""Loading and saving by key and URL: the folder that needs no account, the strict OSS server, and what is refused."""

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.errors import InputError, SettingsError, SonicError
from sonic_core.storage import https, transfer
from sonic_core.storage.store import ObjectNotFound, StorageError

SECRET = "canary-secret-4711"


class Stop(Exception):
    """A cancel."""


def stop(*_):
    raise Stop


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "made.mp4"
    path.write_bytes(b"a video" * 50_000)
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SONIC_STORAGE_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("SONIC_OSS_FOLDER", str(tmp_path / "store"))
    return transfer.stores_of("").outputs


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """A profile in the OSS server's bucket, as its owner would write it, and credentials in the environment."""
    pytest.importorskip("oss2")
    sys.path.insert(0, str(Path(__file__).parents[1] / "storage"))
    from oss_server import Bucket, OssServer
    from oss_signature import Account

    with OssServer() as server:
        server.accounts["TESTKEY"] = Account(SECRET)
        server.buckets["results"] = Bucket()
        config = tmp_path / "storage.toml"
        fields = {"kind": "oss", "bucket": "results", "region": "cn-hangzhou", "endpoint": server.endpoint}
        lines = ["[profiles.shop]", *(f'{name} = "{value}"' for name, value in fields.items())]
        config.write_text("\n".join(lines))
        monkeypatch.setenv("SONIC_STORAGE_CONFIG", str(config))
        monkeypatch.setenv("OSS_ACCESS_KEY_ID", "TESTKEY")
        monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", SECRET)
        yield transfer.stores_of("shop").outputs


def test_what_is_saved_can_be_loaded(folder, video, tmp_path):
    stored = transfer.save(video, "video-7.mp4", "", "{job}/{name}", "run-1")
    assert stored.key == "outputs/comfyui/run-1/video-7.mp4"
    assert stored.url == folder.path_of(stored.key).as_uri()
    back = transfer.load(stored.key, "", tmp_path / "back.mp4")
    assert back.read_bytes() == video.read_bytes()


def test_a_bucket_gives_a_link_and_never_its_secret(bucket, video, tmp_path, caplog):
    import urllib.request

    with caplog.at_level("DEBUG"):
        stored = transfer.save(video, "video-7.mp4", "shop", "{name}", "run-1")
        transfer.load(stored.key, "shop", tmp_path / "back.mp4")
    with urllib.request.urlopen(stored.url) as answer:
        assert answer.read() == video.read_bytes() == (tmp_path / "back.mp4").read_bytes()
        assert answer.headers["Content-Disposition"] == 'inline; filename="video-7.mp4"'
    assert SECRET not in stored.url + caplog.text


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_a_cancelled_upload_leaves_nothing(place, video, request):
    store = request.getfixturevalue(place)
    profile = {"folder": "", "bucket": "shop"}[place]

    def at_the_end(done, total, preview=None):
        if done == total:
            raise Stop

    with pytest.raises(Stop):
        transfer.save(video, "v.mp4", profile, "{name}", "run", at_the_end)
    assert list(store.list("outputs/")) == []


def test_a_cancelled_download_leaves_nothing(folder, video, tmp_path):
    stored = transfer.save(video, "v.mp4", "", "{name}", "run")
    with pytest.raises(Stop):
        transfer.load(stored.key, "", tmp_path / "in" / "back.mp4", stop)
    assert list((tmp_path / "in").iterdir()) == []


def test_nothing_is_overwritten(folder, video):
    stored = transfer.save(video, "v.mp4", "", "{name}", "run")
    with pytest.raises(StorageError, match=r"exists already; put \{job\} or \{time\}"):
        transfer.save(video, "v.mp4", "", "{name}", "run")
    assert folder.head(stored.key).size == video.stat().st_size


def test_an_object_put_anew_is_another_version(folder):
    folder.put("inputs/me/1/a.txt", b"one")
    before = transfer.version_of("inputs/me/1/a.txt", "")
    assert transfer.version_of("inputs/me/1/a.txt", "") == before
    folder.put("inputs/me/1/a.txt", b"two", overwrite=True)
    assert transfer.version_of("inputs/me/1/a.txt", "") != before


def test_samples_are_put_where_they_lack_and_touched_nowhere(folder, video):
    transfer.put_samples({"inputs/a/b/sample.mp4": video}, "")
    assert folder.head("inputs/a/b/sample.mp4").size == video.stat().st_size
    folder.put("inputs/a/b/sample.mp4", b"mine", overwrite=True)
    transfer.put_samples({"inputs/a/b/sample.mp4": video}, "")
    assert folder.head("inputs/a/b/sample.mp4").size == 4


def test_samples_never_go_into_a_bucket(bucket, video):
    transfer.put_samples({"inputs/a/b/sample.mp4": video}, "shop")
    assert list(bucket.list("")) == []


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        ("  ", InputError, "nothing is named"),
        ("../../etc/passwd", InputError, "'..'"),
        ("/etc/passwd", InputError, "begins with a slash"),
        ("inputs/me/gone.jpg", ObjectNotFound, "no object inputs/me/gone.jpg"),
        ("http://example.com/a.jpg", InputError, "must begin with https"),
        ("file:///etc/passwd", InputError, "must begin with https"),
        ("https://127.0.0.1/a.jpg", InputError, "not a public one"),
        ("https://169.254.169.254/latest/meta-data", InputError, "not a public one"),
    ],
)
def test_what_is_not_loaded(folder, tmp_path, source, error, said):
    with pytest.raises(error, match=re.escape(said)) as caught:
        transfer.load(source, "", tmp_path / "x")
    assert "\n" not in str(caught.value)


def test_a_url_is_fetched_with_progress(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(
        https, "fetch", lambda url, target, cap, seconds, on_step: (target.write_bytes(b"x"), on_step(1, 1))
    )
    steps = []
    transfer.load("https://example.com/a.jpg?token=1", "", tmp_path / "x", lambda *step: steps.append(step))
    assert steps == [(1, 1)] and (tmp_path / "x").read_bytes() == b"x"


def test_an_unknown_profile_is_named(folder):
    with pytest.raises(SettingsError, match="no storage profile 'nope'"):
        transfer.stores_of("nope")


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("{job}/{name}", "outputs/comfyui/run/video.mp4"),
        ("shop/{date}/{time}", "outputs/comfyui/shop/2027-01-15/080000.mp4"),
        ("/a//b/", "outputs/comfyui/a/b.mp4"),
        ("课程/{name}", "outputs/comfyui/课程/video.mp4"),
        ("a b?c/x.MP4", "outputs/comfyui/a-b-c/x.MP4"),
    ],
)
def test_keys(template, key):
    assert transfer.result_key(template, name="video.mp4", job="run", now=1_800_000_000.0) == key


@pytest.mark.parametrize(
    ("template", "said"),
    [("{user}/x", r"'{user}'; only {name}, {job}, {date}, {time}"), ("../bob/x", "not a path"), (" ", "not a path")],
)
def test_keys_that_are_refused(template, said):
    with pytest.raises(SettingsError, match=re.escape(said)):
        transfer.result_key(template, name="video.mp4", job="run")


@given(st.text(max_size=60), st.text(min_size=1, max_size=30))
def test_no_template_leaves_the_users_own_place(template, job):
    try:
        key = transfer.result_key(template, name="video.mp4", job=job)
    except SonicError:
        return
    assert key.startswith("outputs/comfyui/") and ".." not in key.split("/") and key.lower().endswith(".mp4")


def test_the_user_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("SONIC_STORAGE_USER", "alice")
    assert transfer.result_key("{name}", name="v.mp4", job="j") == "outputs/alice/v.mp4"
    monkeypatch.setenv("SONIC_STORAGE_USER", "../bob")
    with pytest.raises(InputError, match="user in SONIC_STORAGE_USER"):
        transfer.user()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("inputs/a/b/photo.jpg", "photo.jpg"),
        ("https://example.com/x/%E5%BC%A0.png?sig=1#f", "张.png"),
        ("https://example.com/", "file"),
        ("https://example.com/..%2f..%2fetc", "etc"),
    ],
)
def test_names(source, name):
    assert transfer.name_of(source) == name
