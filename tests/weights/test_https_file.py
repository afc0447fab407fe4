"""Downloads resume, are checked, follow redirects, and are whole or not there."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from sonic_core.errors import ModelError
from sonic_core.weights.https_file import fetch_file, file_sha256

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """/file, /redirect to it from another name, /broken that stops half way, /closed, /plain without ranges."""

    seen: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self):
        Handler.seen.append((self.path, self.headers.get("Range")))
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/file")
            self.send_header("X-Linked-Etag", f'"{SHA256}"')
            self.end_headers()
            return
        if self.path in ("/closed", "/gone"):
            self.send_error(401 if self.path == "/closed" else 404)
            return
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if self.path != "/plain" else 0
        if start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        body = CONTENT[start:]
        self.wfile.write(body[: len(body) // 2] if self.path == "/broken" else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    Handler.seen = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_file_comes_whole_and_checked(server, tmp_path):
    seen = []
    target = tmp_path / "new" / "a.bin"
    assert fetch_file(f"{server}/file", target, SHA256, on_bytes=lambda done, total: seen.append((done, total)))
    assert target.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in target.parent.iterdir()] == ["a.bin"]


def test_without_a_sha256_it_says_so(server, tmp_path):
    assert fetch_file(f"{server}/file", tmp_path / "a.bin") is None


@pytest.mark.parametrize(("path", "have"), [("/file", 5000), ("/file", len(CONTENT)), ("/plain", 5000)])
def test_it_goes_on_where_it_broke_off(server, tmp_path, path, have):
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:have])
    assert fetch_file(server + path, tmp_path / "a.bin", SHA256)
    assert file_sha256(tmp_path / "a.bin") == SHA256
    assert Handler.seen[0][1] == f"bytes={have}-"


def test_a_broken_connection_keeps_what_came(server, tmp_path):
    with pytest.raises(ModelError, match="run the same command again"):
        fetch_file(f"{server}/broken", tmp_path / "a.bin", SHA256)
    assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin.part").read_bytes() == CONTENT[: len(CONTENT) // 2]
    assert fetch_file(f"{server}/file", tmp_path / "a.bin", SHA256)


def test_the_wrong_content_does_not_stay(server, tmp_path):
    with pytest.raises(ModelError, match="sha256"):
        fetch_file(f"{server}/file", tmp_path / "a.bin", "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_tells_the_sha256(server, tmp_path):
    assert fetch_file(f"{server}/redirect", tmp_path / "a.bin") == SHA256
    assert [path for path, _ in Handler.seen] == ["/redirect", "/file"]


@pytest.mark.parametrize(("path", "text"), [("/closed", "not open to everybody"), ("/gone", "not there any more")])
def test_refusals_are_explained(server, tmp_path, path, text):
    with pytest.raises(ModelError, match=text):
        fetch_file(server + path, tmp_path / "a.bin")


@pytest.mark.parametrize("url", ["http://example.org/a", "ftp://example.org/a", "file:///etc/passwd"])
def test_only_https_is_fetched(tmp_path, url):
    with pytest.raises(ModelError, match="https"):
        fetch_file(url, tmp_path / "a.bin")
