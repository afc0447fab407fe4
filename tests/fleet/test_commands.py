"""The commands of the fleet as a person types them."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

import httpx
from fleet_stubs import stub_engine

from sonic_core.cli import fleet
from sonic_core.cli import main as cli
from sonic_core.ledger.ledger import Ledger
from sonic_core.service import api_keys

ROOT = str(Path(__file__).resolve().parents[2])


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("SONIC_LEDGER", f"sqlite:///{tmp_path}/commands.sqlite")
    monkeypatch.setenv("SONIC_STORAGE_CONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("SONIC_OSS_FOLDER", str(tmp_path / "objects"))


def test_keys_are_made_and_revoked(capsys):
    assert cli.main(["serve", "--new-key", "shop"]) == 0
    key = capsys.readouterr().out.strip()
    assert api_keys.user_of(Ledger.open(), key) == "shop"
    assert cli.main(["serve", "--revoke-keys", "shop"]) == 0 and "1 keys" in capsys.readouterr().out
    assert api_keys.user_of(Ledger.open(), key) is None


def test_batch_and_jobs(tmp_path, portrait, speech, monkeypatch, capsys):
    monkeypatch.setattr(fleet, "make_engine", lambda args: stub_engine)
    (tmp_path / "rows.csv").write_text("image,audio\nportrait.png,speech.wav\nportrait.png,none.wav\n")
    call = ["batch", str(tmp_path / "rows.csv"), "--output", str(tmp_path / "out"), "--consent", "a course"]
    assert cli.main(call) == 1
    said = capsys.readouterr()
    assert "[1/2] speech-1.mp4: done" in said.err and "[2/2]" in said.err and "none.wav" in said.err
    assert "1 of 2 videos made" in said.out and (tmp_path / "out" / "speech-1.mp4").stat().st_size
    assert cli.main(["jobs", "list", "--state", "done"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) == 1 and cli.main(["jobs", "retry", listed[0].split()[0]]) == 2
    assert "only failed and cancelled" in capsys.readouterr().err


def test_engines_by_their_options(capsys):
    pytest.importorskip("c2pa")
    args = cli.build_parser().parse_args
    assert callable(fleet.make_engine(args(["worker", "--sign"])))
    assert "comfyui_engine" in repr(fleet.make_engine(args(["worker", "--engine", "comfyui"])))
    away = fleet.make_worker(args(["worker", "--engine", "comfyui", "--comfyui", "http://127.0.0.1:9"]), None, None)
    assert not away.ready() and fleet.make_worker(args(["worker"]), None, None).ready()
    assert cli.main(["worker", "--certificate", "chain.pem"]) == 2
    assert "--certificate and --key" in capsys.readouterr().err


@pytest.mark.skipif(not os.environ.get("SONIC_TEST_SERVICES"), reason="needs make test-services")
def test_all_in_one_makes_a_real_video(portrait_path, a_second_of_speech, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "sonic_core", "serve", "--all-in-one", "--port", port]
    with open(tmp_path / "log", "wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait("the service", 60, lambda: answers(f"{url}/ready"))
        token = re.search(r"token=(\S+)", (tmp_path / "log").read_text())[1]
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, timeout=30, follow_redirects=True, headers=headers) as client:
            files = {"image": portrait_path.open("rb"), "audio": a_second_of_speech.open("rb")}
            fields = {
                "settings": '{"preset": "fast", "min_resolution": 256, "inference_steps": 4}',
                "consent": '{"agreed": true, "subject": "s", "purpose": "test"}',
            }
            job = client.post("/jobs", files=files, data=fields).json()
            wait("the job", 180, lambda: client.get(f"/jobs/{job['id']}").json()["state"] in ("done", "failed"))
            assert client.get(f"/jobs/{job['id']}").json()["error"] is None
            video = client.get(f"/jobs/{job['id']}/video")
            assert video.headers["content-type"] == "video/mp4" and job["id"].encode() in video.content
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) in (0, -signal.SIGTERM), (tmp_path / "log").read_text()
    finally:
        server.kill()
        server.wait(30)


def answers(url):
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def wait(what, seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.2)
