"""The OSS store against the strict server: retries, lost answers, checksums, tokens, links, secrets."""

import logging
from datetime import timedelta

import httpx
import pytest
from oss_signature import Account

from sonic_core.storage.credentials import Credentials
from sonic_core.storage.store import ChecksumError, ChecksumMissing, ObjectExists, StorageError

LARGE = bytes(range(256)) * 2800


def source(tmp_path, data=LARGE):
    path = tmp_path / "video.mp4"
    path.write_bytes(data)
    return path


class Provider:
    def __init__(self, credentials):
        self.credentials = credentials

    def get_credentials(self):
        return self.credentials


def test_every_request_survives_failures_and_lost_answers(make_oss_store, oss_server, tmp_path):
    store = make_oss_store(attempts=40)
    oss_server.fail_rate, oss_server.lose_rate = 0.3, 0.3
    for number in range(4):
        data = LARGE if number % 2 else b"small"
        store.put(f"a/{number}.mp4", source(tmp_path, data))
        store.get(f"a/{number}.mp4", tmp_path / "back", max_bytes=1 << 20)
        assert (tmp_path / "back").read_bytes() == data
    assert [o.key for o in store.list("a/")] == [f"a/{n}.mp4" for n in range(4)]
    assert oss_server.refused.count("503 ServiceUnavailable") > 4
    assert not [r for r in oss_server.refused if "Signature" in r]


def test_retries_end(make_oss_store, oss_server):
    oss_server.fail_rate = 1.0
    with pytest.raises(StorageError, match="503"):
        make_oss_store(attempts=3).put("a", b"x", overwrite=True)
    assert len(oss_server.requests) == 3


def test_refusals_are_not_retried(make_oss_store, oss_server):
    with pytest.raises(StorageError, match=r"403 InvalidAccessKeyId.*RAM policy"):
        make_oss_store(Provider(Credentials("NOBODY", "x"))).put("a", b"x", overwrite=True)
    assert len(oss_server.requests) == 1


def test_a_damaged_download_is_fetched_again(make_oss_store, oss_server, tmp_path):
    store = make_oss_store(attempts=3)
    store.put("a", b"some data")
    oss_server.damage_downloads = 2
    store.get("a", tmp_path / "x", max_bytes=100)
    assert (tmp_path / "x").read_bytes() == b"some data"
    oss_server.damage_downloads = 3
    with pytest.raises(ChecksumError, match="damaged"):
        store.get("a", tmp_path / "y", max_bytes=100)
    assert not (tmp_path / "y").exists()


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
def test_an_absent_checksum_is_an_error(make_oss_store, oss_server, tmp_path, data):
    store = make_oss_store()
    store.put("kept", b"x")
    oss_server.omit_crc = True
    with pytest.raises(ChecksumMissing):
        store.put("a", source(tmp_path, data))
    with pytest.raises(ChecksumMissing):
        store.get("kept", tmp_path / "x", max_bytes=100)


def test_an_interrupted_upload_resumes_with_the_missing_parts(make_oss_store, oss_server, tmp_path):
    store = make_oss_store(attempts=1)
    path = source(tmp_path)

    def fail_later(done, total, preview=None):
        if done >= 2 * (128 << 10):
            oss_server.fail_rate = 1.0

    with pytest.raises(StorageError):
        store.put("a/v.mp4", path, on_step=fail_later)
    oss_server.fail_rate = 0.0
    first = sum("partNumber" in r for r in oss_server.requests)
    store.put("a/v.mp4", path)
    sent = sum("partNumber" in r for r in oss_server.requests) - first
    assert sent == 6 - 2 and oss_server.buckets["materials"].visible() == {"a/v.mp4": LARGE}
    assert oss_server.buckets["materials"].uploads == {} and list(tmp_path.glob(".*upload*")) == []


def test_a_changed_file_does_not_resume(make_oss_store, oss_server, tmp_path):
    store = make_oss_store(attempts=1)
    oss_server.buckets["materials"].objects.clear()

    def fail_later(done, total, preview=None):
        oss_server.fail_rate = 1.0 if done else 0.0

    with pytest.raises(StorageError):
        store.put("v", source(tmp_path), on_step=fail_later)
    oss_server.fail_rate = 0.0
    changed = LARGE[::-1]
    store.put("v", source(tmp_path, changed))
    assert oss_server.buckets["materials"].visible()["v"] == changed


def test_completion_honours_forbid_overwrite(make_oss_store, oss_server, tmp_path):
    """Somebody else writes the key while our parts are on their way."""
    store = make_oss_store()

    def intrude(done, total, preview=None):
        if done == total:
            make_oss_store().put("v", b"theirs")

    with pytest.raises(ObjectExists):
        store.put("v", source(tmp_path), on_step=intrude)
    assert oss_server.buckets["materials"].visible() == {"v": b"theirs"}
    assert oss_server.buckets["materials"].uploads == {}


def test_versioned_bucket_refuses_overwrite_and_deletes_for_good(make_oss_store, oss_server):
    """With versioning OSS ignores forbid-overwrite and a plain delete only hides the object."""
    bucket = oss_server.buckets["materials"]
    bucket.config["versioning"] = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    store = make_oss_store()
    store.put("v", b"1")
    with pytest.raises(ObjectExists):
        store.put("v", b"2")
    store.put("v", b"22", overwrite=True)
    assert len(bucket.objects["v"]) == 2
    store.delete("v")
    assert bucket.objects == {}


def test_short_lived_tokens(make_oss_store, oss_server):
    oss_server.accounts["STS.1"] = Account("s1", "token-1/+=", oss_server.now() + timedelta(minutes=5))
    store = make_oss_store(Provider(Credentials("STS.1", "s1", "token-1/+=")))
    store.put("a", b"x")
    link = store.sign("a", seconds=3600)
    assert httpx.get(link).content == b"x"
    oss_server.clock_offset = timedelta(minutes=6)
    with pytest.raises(StorageError, match="SecurityTokenExpired"):
        store.put("b", b"x", overwrite=True)
    assert httpx.get(link).status_code == 403  # the link dies with its token
    wrong = make_oss_store(Provider(Credentials("STS.1", "s1", "another")))
    with pytest.raises(StorageError, match="InvalidSecurityToken"):
        wrong.put("c", b"x", overwrite=True)


def test_signed_links(make_oss_store, oss_server):
    store = make_oss_store()
    key = "outputs/u/j/attempt-1/我的 视频+1.mp4"
    store.put(key, b"video", cache="max-age=60")
    link = store.sign(key, seconds=600, filename="视频.mp4")
    answer = httpx.get(link)
    assert answer.headers["cache-control"] == "max-age=60"
    assert answer.content == b"video" and "filename*=UTF-8''%E8%A7%86" in answer.headers["content-disposition"]
    for bent in (link.replace("attempt-1", "attempt-2"), link.replace("x-oss-expires=600", "x-oss-expires=9600")):
        assert bent != link and httpx.get(bent).status_code == 403
    assert httpx.put(link, content=b"mine").status_code == 403
    oss_server.clock_offset = timedelta(seconds=601)
    assert httpx.get(link).status_code == 403


def test_links_by_custom_domain_public_and_cdn(make_oss_store, oss_server, monkeypatch):
    oss_server.cnames["media.example.com"] = "materials"

    def fetch(link):
        path = link.removeprefix("https://media.example.com")
        return httpx.get(oss_server.endpoint + path, headers={"Host": "media.example.com"})

    store = make_oss_store(domain="https://media.example.com")
    store.put("a b", b"x")
    assert store.sign("a b").startswith("https://media.example.com/a%20b?")
    assert fetch(store.sign("a b")).content == b"x"

    public = make_oss_store(domain="https://media.example.com", link="public")
    assert fetch(public.sign("a b")).status_code == 403
    oss_server.buckets["materials"].acl = "public-read"
    assert fetch(public.sign("a b")).content == b"x"

    monkeypatch.setenv("SONIC_OSS_CDN_KEY", "cdn-secret")
    link = make_oss_store(domain="https://cdn.example.com", link="cdn").sign("a b")
    assert link.startswith("https://cdn.example.com/a%20b?auth_key=") and "cdn-secret" not in link


def test_secrets_stay_out_of_errors_and_logs(make_oss_store, oss_server, caplog):
    caplog.set_level(logging.DEBUG)
    oss_server.accounts["STS.1"] = Account("right-secret", "canary-token")
    store = make_oss_store(Provider(Credentials("STS.1", "canary-wrong-secret", "canary-token")))
    with pytest.raises(StorageError, match="SignatureDoesNotMatch") as caught:
        store.put("a", b"x", overwrite=True)
    text = (
        str(caught.value) + repr(caught.value.__cause__) + repr(store.link_bucket.auth.credentials_provider.credentials)
    )
    assert "canary" not in text
    own = "".join(r.getMessage() for r in caplog.records if r.name.startswith(("sonic_core", "oss2")))
    assert "canary-wrong-secret" not in own and "canary-token" not in own


def test_unreachable_endpoint(make_oss_store):
    store = make_oss_store(attempts=2, endpoint="http://127.0.0.1:9")
    with pytest.raises(StorageError, match="no answer"):
        store.head("a")


def test_oss2_log_is_capped(make_oss_store):
    make_oss_store()
    assert logging.getLogger("oss2").getEffectiveLevel() >= logging.WARNING
