"""One user must not freeze the others: hosts that drip, requests that never end."""

import concurrent.futures
import socket
import threading
import time

import httpx
from live_server import reservations, wait_for

from sonic_core.service.api_keys import create_key

CONSENT = {"agreed": True, "subject": "s-1", "purpose": "a greeting"}


def test_a_host_that_drips_freezes_nobody(open_network, service, client, url, stores):
    """44 requests to a host that drips stopped 0.1.0 for minutes, even after the callers had left."""
    with dripping() as drip:
        body = {"image": {"url": drip}, "audio": {"url": drip}, "consent": CONSENT}
        others = [create_key(service.ledger, f"u{number}") for number in range(12)]
        pool = concurrent.futures.ThreadPoolExecutor(60)
        keys = [key for key in others for _ in range(4)]
        sent = [pool.submit(impatient, url, key, body) for key in keys]
        time.sleep(0.5)
        for _ in range(5):
            start = time.monotonic()
            assert httpx.get(f"{url}/health").status_code == 200 and client.get("/jobs").status_code == 200
            assert time.monotonic() - start < 20
        [future.result() for future in sent]
        wait_for(lambda: service.fetches._taken.total() == 0)  # the callers have left, and so have the fetches
        wait_for(lambda: not reservations(service.ledger))
        pool.shutdown()


def test_downloads_count_as_active_jobs_and_have_a_total_deadline(open_network, service, client, monkeypatch):
    monkeypatch.setattr("sonic_core.service.intake.FETCH_SECONDS", 1.0)
    with dripping() as drip:
        body = {"image": {"url": drip}, "audio": {"url": drip}, "consent": CONSENT}
        start = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            answers = [future.result() for future in [pool.submit(client.post, "/jobs", json=body) for _ in range(12)]]
        assert time.monotonic() - start < 20
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [400] * 4 + [429] * 8, [answer.text for answer in answers]
    assert service.ledger.counts()["queued"] == 0


def impatient(url, key, body):
    try:
        httpx.post(f"{url}/jobs", json=body, headers={"X-API-Key": key}, timeout=2)
    except httpx.TimeoutException:
        return


class dripping:
    """A host that accepts, and sends a byte of its header every half second."""

    def __enter__(self) -> str:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.stop = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/x"

    def _accept(self):
        while not self.stop.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._drip, args=(connection,), daemon=True).start()

    def _drip(self, connection):
        try:
            while not self.stop.wait(0.5):
                connection.sendall(b"H")
        except OSError:
            return

    def __exit__(self, *_):
        self.stop.set()
        self.listener.close()
