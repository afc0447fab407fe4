"""Credential sources: refresh early, once, under a lock; secrets never shown."""

import json
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from sonic_core.errors import SettingsError
from sonic_core.storage import credentials as c
from sonic_core.storage.store import StorageError


def test_environment(monkeypatch):
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", "canary")
    monkeypatch.setenv("OSS_SESSION_TOKEN", "canary-token")
    found = c.make_provider("env").get_credentials()
    assert (found.access_key_id, found.access_key_secret, found.security_token) == ("id", "canary", "canary-token")
    assert "canary" not in repr(found)
    monkeypatch.delenv("OSS_ACCESS_KEY_SECRET")
    with pytest.raises(SettingsError, match="OSS_ACCESS_KEY_SECRET"):
        c.make_provider("env").get_credentials()


def test_file_is_reread_when_it_changes(tmp_path):
    path = tmp_path / "keys.json"
    provider = c.make_provider(f"file:{path}")
    with pytest.raises(SettingsError, match="cannot be read"):
        provider.get_credentials()
    for secret in ("one", "two"):
        path.write_text(json.dumps({"access_key_id": "id", "access_key_secret": secret}))
        import os

        os.utime(path, ns=(0, len(secret) + ord(secret[0])))
        assert provider.get_credentials().access_key_secret == secret
    path.write_text("not json canary")
    with pytest.raises(SettingsError) as caught:
        provider.get_credentials()
    assert "canary" not in str(caught.value)


def test_refreshes_early_and_only_once_for_many_threads():
    now, calls = [1000.0], []

    def fetch():
        calls.append(1)
        time.sleep(0.01)
        return c.Credentials("id", "s", f"token-{len(calls)}", now[0] + 3600)

    provider = c.RefreshingCredentials(fetch, clock=lambda: now[0])
    tokens = []
    threads = [
        threading.Thread(target=lambda: tokens.append(provider.get_credentials().security_token)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tokens == ["token-1"] * 8
    now[0] += 3600 - 301
    assert provider.get_credentials().security_token == "token-1"
    now[0] += 2
    assert provider.get_credentials().security_token == "token-2"


def test_a_failed_refresh_is_borne_while_the_old_ones_hold():
    now, answers = [0.0], [c.Credentials("id", "s", "t", 1000.0)]

    def fetch():
        if not answers:
            raise StorageError("down")
        return answers.pop()

    provider = c.RefreshingCredentials(fetch, clock=lambda: now[0])
    provider.get_credentials()
    now[0] = 900
    assert provider.get_credentials().security_token == "t"
    now[0] = 1000
    with pytest.raises(StorageError, match="down"):
        provider.get_credentials()


@pytest.fixture
def endpoint():
    answers = {"path": None, "status": 200, "body": b"{}"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answers["path"] = self.path
            self.send_response(answers["status"])
            self.end_headers()
            self.wfile.write(answers["body"])

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    answers["url"] = f"http://127.0.0.1:{server.server_address[1]}"
    yield answers
    server.shutdown()
    server.server_close()


def sts_answer():
    ends = (datetime.now(timezone.utc) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"AccessKeyId": "STS.1", "AccessKeySecret": "canary-s", "SecurityToken": "canary-t", "Expiration": ends}


def test_credentials_endpoint(endpoint):
    endpoint["body"] = json.dumps(sts_answer()).encode()
    found = c.make_provider(f"uri:{endpoint['url']}/creds").get_credentials()
    assert found.security_token == "canary-t" and found.expires > time.time() + 3500
    for body in (b"{}", b"[]", b'{"AccessKeyId": 1}', b"nonsense canary-s"):
        endpoint["body"] = body
        with pytest.raises(StorageError) as caught:
            c.fetch_from_uri(endpoint["url"])
        assert "canary" not in str(caught.value)


def test_assume_role_is_signed_and_its_url_not_shown(endpoint, monkeypatch):
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", "canary-base")
    endpoint["body"] = json.dumps({"Credentials": sts_answer()}).encode()
    found = c.assume_role("acs:ram::1:role/sonic", c.EnvironmentCredentials(), endpoint["url"])
    assert found.access_key_id == "STS.1"
    assert "Action=AssumeRole" in endpoint["path"] and "Signature=" in endpoint["path"]
    assert "canary" not in endpoint["path"]
    endpoint["status"] = 403
    with pytest.raises(StorageError, match="403") as caught:
        c.assume_role("acs:ram::1:role/sonic", c.EnvironmentCredentials(), endpoint["url"])
    assert "Signature" not in str(caught.value)


def test_rpc_signature_matches_the_published_example():
    """The worked example of Alibaba Cloud's RPC signature documentation (ECS DescribeRegions)."""
    query = {
        "Timestamp": "2016-02-23T12:46:24Z",
        "Format": "XML",
        "AccessKeyId": "testid",
        "Action": "DescribeRegions",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
        "Version": "2014-05-26",
        "SignatureVersion": "1.0",
    }
    assert c.rpc_signature(query, "testsecret") == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="


def test_unknown_source():
    with pytest.raises(SettingsError) as caught:
        c.make_provider("secret:canary")
    assert "canary" not in str(caught.value)
