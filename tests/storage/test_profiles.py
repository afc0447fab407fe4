"""Profiles from TOML and environment; what they refuse."""

import pytest

from sonic_core.errors import SettingsError
from sonic_core.storage.folder import FolderStore
from sonic_core.storage.profiles import Profile, load_profile
from sonic_core.storage.stores import open_stores

TOML = """
[profiles.shop]
kind = "oss"
bucket = "materials"
output_bucket = "results"
region = "cn-hangzhou"
link_seconds = 600
referers = ["https://shop.example.com"]
"""


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch):
    path = tmp_path / "storage.toml"
    path.write_text(TOML)
    monkeypatch.setenv("SONIC_STORAGE_CONFIG", str(path))
    return path


def test_default_is_a_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SONIC_OSS_FOLDER", str(tmp_path / "objects"))
    stores = open_stores(load_profile())
    assert isinstance(stores.inputs, FolderStore) and stores.inputs is stores.outputs
    assert stores.inputs.root == tmp_path / "objects"


def test_named_profile_and_environment(monkeypatch):
    monkeypatch.setenv("SONIC_OSS_PROFILE", "shop")
    monkeypatch.setenv("SONIC_OSS_PREFIX", "live/")
    profile = load_profile()
    assert (profile.bucket, profile.output_bucket, profile.link_seconds) == ("materials", "results", 600)
    assert (profile.prefix, profile.referers) == ("live/", ("https://shop.example.com",))
    monkeypatch.setenv("SONIC_OSS_PROFILE", "default")
    monkeypatch.setenv("SONIC_OSS_BUCKET", "b")
    monkeypatch.setenv("SONIC_OSS_REGION", "cn-beijing")
    assert load_profile().kind == "oss"


def test_two_buckets():
    pytest.importorskip("oss2")
    stores = open_stores(load_profile("shop"))
    assert stores.of("inputs/u/j/a").bucket.bucket_name == "materials"
    assert stores.of("outputs/u/j/a").bucket.bucket_name == "results"
    assert stores.inputs.bucket.endpoint == "https://oss-cn-hangzhou.aliyuncs.com"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "ftp"}, "ftp"),
        ({"kind": "oss"}, "bucket and region"),
        ({"link": "open"}, "open"),
        ({"link_seconds": 8 * 24 * 3600}, "link_seconds"),
        ({"link": "cdn"}, "domain"),
        ({"endpoint": "oss-cn-hangzhou.aliyuncs.com"}, "https://"),
        ({"domain": "http://cdn.example.com"}, "https://"),
    ],
)
def test_refused(values, said):
    with pytest.raises(SettingsError, match=said):
        Profile(**values)


def test_bad_files(config):
    with pytest.raises(SettingsError, match="no storage profile 'nope'"):
        load_profile("nope")
    config.write_text("[profiles.default]\nsecret = 'canary'\n")
    with pytest.raises(SettingsError, match="unknown fields") as caught:
        load_profile()
    assert "canary" not in str(caught.value)
    config.write_text("not toml")
    with pytest.raises(SettingsError, match="not TOML"):
        load_profile("shop")
