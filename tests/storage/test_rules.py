"""`storage init` and `storage check` on the strict server."""

import argparse

import pytest

pytest.importorskip("oss2")

from oss2.models import BucketLifecycle, LifecycleExpiration, LifecycleRule

from sonic_core.cli import storage
from sonic_core.storage import rules


def test_init_sets_what_check_misses_and_keeps_foreign_rules(make_oss_store, oss_server):
    store = make_oss_store(prefix="shop/", referers=("https://shop.example.com",))
    foreign = LifecycleRule("theirs", "logs/", expiration=LifecycleExpiration(days=9))
    store.bucket.put_bucket_lifecycle(BucketLifecycle([foreign]))
    missing = rules.differences(store)
    assert len(missing) == 5 and any("versioning is off" in line for line in missing)
    assert len(rules.apply(store)) == 5
    assert rules.differences(store) == [] and rules.apply(store) == []
    kept = store.bucket.get_bucket_lifecycle().rules
    assert [r.id for r in kept] == ["theirs", "sonic-inputs", "sonic-outputs"]
    inputs = kept[1]
    assert [(t.days, t.storage_class) for t in inputs.storage_transitions] == [(7, "IA"), (30, "Archive")]
    assert inputs.prefix == "shop/inputs/" and inputs.abort_multipart_upload.days == 3
    assert b"true" in oss_server.buckets["materials"].config["publicAccessBlock"]


def test_public_links_lift_the_block(make_oss_store, oss_server):
    rules.apply(make_oss_store(link="public"))
    assert oss_server.buckets["materials"].acl == "public-read"


@pytest.fixture
def run(monkeypatch, oss_server, capsys):
    monkeypatch.setenv("SONIC_STORAGE_CONFIG", "/nonexistent")
    parser = argparse.ArgumentParser()
    storage.add_parser(parser.add_subparsers(dest="command"))

    def run(*arguments):
        args = parser.parse_args(arguments)
        return args.run(args), capsys.readouterr().out

    return run


def test_commands_on_buckets(run, monkeypatch, oss_server):
    for name, value in {
        "SONIC_OSS_BUCKET": "materials",
        "SONIC_OSS_OUTPUT_BUCKET": "results",
        "SONIC_OSS_REGION": "cn-hangzhou",
        "SONIC_OSS_ENDPOINT": oss_server.endpoint,
        "OSS_ACCESS_KEY_ID": "TESTKEY",
        "OSS_ACCESS_KEY_SECRET": "canary-secret-4711",
    }.items():
        monkeypatch.setenv(name, value)
    code, out = run("storage", "check")
    assert code == 1 and "results: versioning is off" in out and "materials: versioning is off" in out
    code, out = run("storage", "init")
    assert code == 0 and "results: versioning set to Enabled" in out
    code, out = run("storage", "check")
    assert code == 0 and "as recommended" in out and "canary" not in out


def test_commands_on_a_folder(run, monkeypatch, tmp_path):
    monkeypatch.setenv("SONIC_OSS_FOLDER", str(tmp_path / "objects"))
    assert run("storage", "init")[0] == 0
    assert (tmp_path / "objects").is_dir() and run("storage", "check")[0] == 0
