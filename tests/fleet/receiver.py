"""Hosts on this machine that stand in for the Internet: they answer, hang, drip bytes, or redirect."""

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sonic_core.fleet.webhooks import Deliveries
from sonic_core.storage import https


class Receiver(ThreadingHTTPServer):
    """Notes what is posted, and answers each with the next of `statuses`; `hang` lets it wait instead."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses, self.got, self.hang = [], [], 0.0
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook"

    def handle_error(self, *_):
        pass  # the other side left


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        end = time.monotonic() + self.server.hang
        while time.monotonic() < end:  # a header byte by byte: a timeout between two bytes never comes
            self.wfile.write(b"H")
            time.sleep(0.2)
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.end_headers()

    def do_GET(self):
        content = self.server.content
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def receiving():
    server = Receiver()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def open_network(monkeypatch):
    """127.0.0.1 counts as public, and http will do."""
    monkeypatch.setattr(https, "is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setattr(https, "SCHEMES", ("https", "http"))


@pytest.fixture
def receiver(open_network):
    with receiving() as server:
        yield server


def deliver_due(ledger):
    """One round of the sender, waited for; how many messages arrived."""
    sender = Deliveries(ledger)
    sender.round()
    outcomes = [future.result() for future in sender._under_way]
    sender.close()
    return outcomes.count(None)
