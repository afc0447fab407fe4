"""The service on a real socket: in this process with engines of the tests, or as the command a user starts."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn

from sonic_core.service.app import Service, make_app

ROOT = str(Path(__file__).resolve().parents[2])


@contextlib.contextmanager
def serving(service: Service):
    """The address of the service while the block runs."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(256)
    config = uvicorn.Config(make_app(service), log_level="critical", proxy_headers=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    wait_for(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        service.stop.set()
        server.should_exit = True
        thread.join(10)


@dataclass
class Command:
    """A running `python -m sonic_core serve`, and a client that has been through its door."""

    process: subprocess.Popen
    url: str
    token: str
    client: httpx.Client
    log: Path


@contextlib.contextmanager
def command(folder: Path, *arguments: str, name: str = "serve", script: str | None = None, **environment: str):
    """The command with its ledger, store and temporary folder below `folder`; killed at the end of the block."""
    (folder / "tmp").mkdir(exist_ok=True)
    variables = {
        **os.environ, "PYTHONPATH": ROOT, "SONIC_LEDGER": f"sqlite:///{folder}/ledger.sqlite",
        "TMPDIR": str(folder / "tmp"), "SONIC_OSS_FOLDER": str(folder / "objects"),
        "SONIC_STORAGE_CONFIG": str(folder / "none"), "OMP_NUM_THREADS": "1", **environment,
    }  # fmt: skip
    log = folder / f"{name}.log"
    program = [sys.executable, script] if script else [sys.executable, "-m", "sonic_core", "serve"]
    with open(log, "ab") as file:
        process = subprocess.Popen([*program, "--port", "0", *arguments], env=variables, stdout=file, stderr=file)
    try:
        wait_for(lambda: process.poll() is not None or "Sonic Studio: http" in log.read_text(), 60)
        said = re.findall(r"Sonic Studio: (http://[^/\s]+)(?:/\?token=(\S+))?", log.read_text())
        assert said, log.read_text()
        url, token = said[-1]
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
            if token:
                client.get(f"/?token={token}")
            yield Command(process, url, token, client, log)
    finally:
        process.kill()
        process.wait()


def wait_for(condition, seconds: float = 40.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def everything_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def raw(url: str, request: str) -> tuple[int, bytes]:
    """(status, answer) of a request that no well-behaved client would send."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(request.encode("latin-1"))
        connection.settimeout(5)
        answer = b""
        while b"\r\n\r\n" not in answer and (block := connection.recv(65536)):
            answer += block
    return int(re.match(rb"HTTP/1.1 (\d+)", answer)[1]), answer


def authorization(client) -> str:
    return f"Authorization: {client.headers['Authorization']}"


def reservations(ledger):
    with ledger.engine.connect() as connection:
        return connection.exec_driver_sql("SELECT * FROM reservations").all()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def count(service: Service, table: str) -> int:
    with service.ledger.engine.connect() as connection:
        return connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
