"""Model files through `huggingface_hub` from a server that answers as the hub does, and from ModelScope's paths."""

import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from sonic_core.errors import ModelError
from sonic_core.weights.catalog import FILES, MODELSCOPE
from sonic_core.weights.download import check_endpoint, download, recorded_checksums

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()
UNET = next(file for file in FILES if file.path == "unet.pth")
WHISPER = next(file for file in FILES if file.path == "whisper-tiny/model.safetensors")


class Hub(BaseHTTPRequestHandler):
    """Any file is CONTENT. `fault`: gated, gone, or a connection that breaks once half way."""

    fault: ClassVar[str] = ""
    etag: ClassVar[str] = SHA256
    seen: ClassVar[list[tuple[str, str, str | None, str | None]]] = []

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        if "/resolve/" not in self.path:  # what the library asks of the hub for itself
            return self.refuse(404, "")
        Hub.seen.append((self.command, self.path, self.headers.get("Range"), self.headers.get("Authorization")))
        if Hub.fault == "gated" and self.headers.get("Authorization") is None:
            return self.refuse(401, "GatedRepo")
        if Hub.fault == "gone":
            return self.refuse(404, "EntryNotFound")
        start = int((self.headers.get("Range") or "bytes=0-")[6:].split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("X-Repo-Commit", "c0ffee")
        self.send_header("ETag", f'"{Hub.etag}"')
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        if body:
            half = Hub.fault == "breaks once"
            if half:
                Hub.fault = ""
            self.wfile.write(CONTENT[start : len(CONTENT) // 2 if half else None])
            self.close_connection = True

    def refuse(self, status, code):
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(monkeypatch):
    Hub.fault, Hub.etag, Hub.seen = "", SHA256, []
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", address)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield address
        server.shutdown()


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_comes_whole_into_its_place_and_is_recorded(hub, tmp_path):
    assert download(UNET, tmp_path)
    assert (tmp_path / "unet.pth").read_bytes() == CONTENT
    assert names(tmp_path) == ["checksums.json", "unet.pth"]
    assert recorded_checksums(tmp_path) == {"unet.pth": SHA256}
    assert Hub.seen[0][1] == "/LeonJoe13/Sonic/resolve/main/Sonic/unet.pth"
    assert download(WHISPER, tmp_path)
    assert sorted(recorded_checksums(tmp_path)) == ["unet.pth", "whisper-tiny/model.safetensors"]


def test_a_broken_connection_is_resumed(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1024)  # what is kept of a broken one
    Hub.fault = "breaks once"
    assert download(UNET, tmp_path)
    assert (tmp_path / "unet.pth").read_bytes() == CONTENT
    gets = [asked for method, _, asked, _ in Hub.seen if method == "GET"]
    assert gets[0] is None
    assert gets[-1] == f"bytes={len(CONTENT) // 2}-"


@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
def test_who_listens_hears_of_the_bytes_and_may_cancel(hub, tmp_path, monkeypatch, source):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1024)
    heard = []
    download(WHISPER, tmp_path, source, lambda done, total, preview=None: heard.append((done, total)))
    assert heard[-1] == (len(CONTENT), len(CONTENT))

    def cancel(done, total, preview=None):
        raise InterruptedError("cancelled")

    with pytest.raises((InterruptedError, ModelError)):
        download(UNET, tmp_path, source, cancel)
    assert not (tmp_path / "unet.pth").exists()


def test_the_wrong_content_does_not_stay(hub, tmp_path):
    Hub.etag = "0" * 64
    with pytest.raises(ModelError, match="sha256"):
        download(UNET, tmp_path)
    assert names(tmp_path) == []


def test_without_a_stated_sha256_it_says_so(hub, tmp_path):
    Hub.etag = "abc"
    assert not download(UNET, tmp_path)
    assert recorded_checksums(tmp_path) == {}


def test_a_sum_known_beforehand_is_held_against_the_content(hub, tmp_path):
    with pytest.raises(ModelError, match=r"instead of 1111"):
        download(replace(UNET, sha256="1" * 64), tmp_path)


def test_a_gated_file_needs_a_token(hub, tmp_path, monkeypatch):
    Hub.fault = "gated"
    with pytest.raises(
        ModelError, match=r"accept its licence at https://huggingface\.co/LeonJoe13/Sonic and set HF_TOKEN"
    ):
        download(UNET, tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert download(UNET, tmp_path)
    assert Hub.seen[-1][3] == "Bearer hf_secret"


def test_a_file_that_is_gone_is_named(hub, tmp_path):
    Hub.fault = "gone"
    with pytest.raises(ModelError, match=r"Sonic/unet\.pth is not in LeonJoe13/Sonic any more"):
        download(UNET, tmp_path)


def test_a_server_that_is_not_there_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="run the same command again to go on"):
        download(UNET, tmp_path)


def test_modelscope_is_asked_for_what_it_has(hub, tmp_path):
    download(WHISPER, tmp_path, "modelscope")
    assert Hub.seen[-1][1] == f"/models/{MODELSCOPE[WHISPER.repository]}/resolve/master/model.safetensors"
    assert (tmp_path / WHISPER.path).read_bytes() == CONTENT
    download(UNET, tmp_path, "modelscope")
    assert Hub.seen[-1][1] == "/LeonJoe13/Sonic/resolve/main/Sonic/unet.pth"


@pytest.mark.parametrize("endpoint", ["http://hf-mirror.com", "ftp://example.org", "hf-mirror.com"])
def test_a_mirror_must_be_https(endpoint):
    with pytest.raises(ModelError, match="https only"):
        check_endpoint(endpoint)
    check_endpoint("https://hf-mirror.com")


@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
def test_a_folder_that_cannot_be_written_is_named(hub, tmp_path, source):
    (tmp_path / "models").write_text("a file where the folder should be")
    with pytest.raises(ModelError, match=r"models.*cannot be written"):
        download(WHISPER, tmp_path / "models", source)
