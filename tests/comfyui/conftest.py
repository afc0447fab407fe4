"""A real ComfyUI with the pack in it: COMFYUI_PATH and COMFYUI_PYTHON say where; see `make test-comfyui`."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from sonic_core.comfyui.client import ComfyUI

ROOT = Path(__file__).resolve().parents[2]
PACK = "sonic-studio"
# What a registry install holds; `examples`, which `make demo` makes, would hide the templates.
INSTALLED = ("__init__.py", "nodes", "sonic_core", "workflows", "subgraphs", "locales", "web", "pyproject.toml")
START_SECONDS = 300


@dataclass(frozen=True)
class Server:
    url: str
    base: Path
    log: Path
    client: ComfyUI

    def run(self, graph: dict[str, Any]) -> dict[str, Any]:
        """Queue a graph, wait for its end and give its history, whatever the end was."""
        prompt_id = self.client.queue(graph)
        while (record := self.client.history(prompt_id)) is None:
            time.sleep(0.2)
        return record


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if "COMFYUI_PATH" not in os.environ:
        pytest.skip("needs a ComfyUI: set COMFYUI_PATH to its folder")
    comfyui = Path(os.environ["COMFYUI_PATH"])
    python = os.environ.get("COMFYUI_PYTHON", str(comfyui / ".venv" / "bin" / "python"))
    base = tmp_path_factory.mktemp("comfyui")
    pack = base / "custom_nodes" / PACK
    pack.mkdir(parents=True)
    for name in INSTALLED:
        (pack / name).symlink_to(ROOT / name)
    (base / "input" / "sonic_photos").mkdir(parents=True)
    for name in ("sonic_portrait.jpg", "sonic_speech.flac", "sonic_video.mp4", "sonic_photos/sonic_portrait.jpg"):
        sample = ROOT / "web" / "samples" / name.rpartition("/")[2]
        (base / "input" / name).write_bytes(sample.read_bytes())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [python, "main.py", "--cpu", "--listen", "127.0.0.1", "--port", str(port), "--base-directory", str(base)]
    command += ["--database-url", f"sqlite:///{base}/user.db", "--disable-api-nodes"]
    log = base / "server.log"
    storage = {"SONIC_OSS_FOLDER": str(base / "storage"), "SONIC_STORAGE_CONFIG": str(base / "none.toml")}
    environment = os.environ | storage | {"HF_HUB_OFFLINE": "1"}
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=comfyui, stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, process, log)
        with ComfyUI(url) as client:
            yield Server(url, base, log, client)
    finally:
        process.terminate()
        process.wait(30)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.fail(f"ComfyUI ended while starting:\n{log.read_text()[-3000:]}")
        try:
            httpx.get(f"{url}/system_stats", timeout=5)
            return
        except httpx.HTTPError:
            time.sleep(0.5)
    pytest.fail(f"ComfyUI did not answer within {START_SECONDS} s:\n{log.read_text()[-3000:]}")
