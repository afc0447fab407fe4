"""Who gets in without an API key: the person at this machine, and nobody through a proxy."""

import os
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from live_server import answers, command, free_port, wait_for

CONSENT = {"agreed": True, "subject": "s-1", "purpose": "a greeting"}


def test_behind_a_plain_reverse_proxy_nobody_gets_in_without_the_secret(tmp_path):
    """nginx with nothing but proxy_pass: Host is rewritten, the peer is this machine, no header tells."""
    if shutil.which("nginx") is None:
        pytest.skip("needs nginx (Debian's package)")
    with command(tmp_path, "--all-in-one") as serve, nginx(tmp_path, serve.url) as outside:
        assert serve.client.get("/jobs").status_code == 200, "the person at this machine"
        assert httpx.get(f"{serve.url}/jobs").status_code == 401
        assert httpx.get(f"{outside}/jobs").status_code == 401
        assert httpx.get(f"{outside}/session").json()["key_needed"] is True
        assert httpx.post(f"{outside}/jobs", json={}).status_code == 401
        assert httpx.get(f"{outside}/?token=guessed", follow_redirects=False).headers.get("set-cookie") is None
        lines = [line for line in serve.log.read_text().splitlines() if line.startswith("Sonic Studio:")]
        assert len(lines) == 1 and serve.token in lines[0]


def test_open_to_the_network_a_key_is_needed_even_from_here(tmp_path):
    with command(tmp_path, "--all-in-one", "--host", "0.0.0.0") as serve:
        assert not serve.token and "API key" in serve.log.read_text()
        assert httpx.get(f"{serve.url.replace('0.0.0.0', '127.0.0.1')}/jobs").status_code == 401


class nginx:
    """A reverse proxy as most people write it."""

    def __init__(self, folder: Path, target: str):
        self.port = free_port()
        (folder / "nginx").mkdir()
        config = folder / "nginx/nginx.conf"
        config.write_text(
            f"daemon off; pid {folder}/nginx/pid; error_log {folder}/nginx/log; events {{}}\n"
            f"http {{ access_log off; client_body_temp_path {folder}/nginx/b; proxy_temp_path {folder}/nginx/p;\n"
            f"fastcgi_temp_path {folder}/nginx/f; uwsgi_temp_path {folder}/nginx/u; scgi_temp_path {folder}/nginx/s;\n"
            f"server {{ listen 127.0.0.1:{self.port}; location / {{ proxy_pass {target}; }} }} }}\n"
        )
        self.command = [
            "nginx",
            "-c",
            str(config),
            "-p",
            str(folder / "nginx"),
            "-g",
            "user root;" if os.getuid() == 0 else "",
        ]

    def __enter__(self) -> str:
        self.process = subprocess.Popen(self.command, stderr=subprocess.DEVNULL)
        wait_for(lambda: answers(self.port))
        return f"http://127.0.0.1:{self.port}"

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
