"""Fetching by URL: what must not be reached, and the caps."""

import ipaddress
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_core.errors import InputError
from sonic_core.storage import https


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.16.9.9", "192.168.1.1", "169.254.169.254", "100.100.100.200", "0.0.0.0", "224.0.0.1",
     "::1", "::", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
     "ff02::1", "198.18.0.1", "255.255.255.255"],
)  # fmt: skip
def test_addresses_that_are_not_public(address):
    assert not https.is_public(address)


def test_public_addresses():
    assert https.is_public("93.184.216.34") and https.is_public("2606:4700::1111")


@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_judged_like_itself(address):
    for wrapped in (f"::ffff:{address}", str(ipaddress.IPv6Address(int(https._NAT64.network_address) + int(address)))):
        assert https.is_public(wrapped) == https.is_public(str(address))


@pytest.mark.parametrize(
    "url",
    ["http://example.com/a", "file:///etc/passwd", "https://", "https://u:p@example.com/", "https://[::1]/",
     "https://127.1/", "https://2130706433/", "https://localhost/", "https://0x7f000001/", "gopher://x", "https://a:99999/"],
)  # fmt: skip
def test_urls_that_are_refused(url):
    with pytest.raises(InputError):
        https.resolve(url)


def test_a_host_with_one_private_address_is_refused(monkeypatch):
    entries = [(2, 1, 6, "", (address, 443)) for address in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(https.socket, "getaddrinfo", lambda *a, **k: entries)
    with pytest.raises(InputError, match="not a public one"):
        https.resolve("https://example.com/x")


@pytest.fixture
def site(monkeypatch):
    """A server on this machine that stands in for the Internet: 127.0.0.1 is made to count as public, 127.0.0.2 not."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, self.headers["Host"]))
            if self.path.startswith("/to-"):
                target = {"/to-private": "http://127.0.0.2/secret", "/to-file": "file:///etc/passwd"}
                self.send_response(302)
                self.send_header("Location", target.get(self.path, self.path))
                self.end_headers()
                return
            self.send_response(200 if self.path != "/gone" else 410)
            if self.path == "/declared":
                self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"x" * 5000)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setattr(https, "is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setattr(https, "SCHEMES", ("https", "http"))
    yield f"http://127.0.0.1:{server.server_address[1]}", seen
    server.shutdown()
    server.server_close()


def test_fetch_pins_the_address_and_keeps_the_name(site, tmp_path, monkeypatch):
    url, seen = site
    port = int(url.rsplit(":", 1)[1])
    lookups = []

    def lookup(host, *args, **kwargs):
        lookups.append(host)
        # A rebinding name: public when it is checked, private when it is asked again.
        return [(2, 1, 6, "", ("127.0.0.1" if len(lookups) == 1 else "127.0.0.2", port))]

    real = https.socket.getaddrinfo
    named = lambda host, *a, **k: lookup(host) if host == "files.example.com" else real(host, *a, **k)  # noqa: E731
    monkeypatch.setattr(https.socket, "getaddrinfo", named)
    assert https.fetch(f"http://files.example.com:{port}/a?token=1", tmp_path / "x", 10_000) == 5000
    assert seen == [("/a?token=1", f"files.example.com:{port}")] and lookups == ["files.example.com"]


@pytest.mark.parametrize(
    ("path", "said"),
    [("/to-private", "not a public"), ("/to-file", "must begin"), ("/to-loop", "redirects more"), ("/gone", "410"),
     ("/declared", "1000000 bytes"), ("/long", "larger than")],
)  # fmt: skip
def test_refused_on_the_way(site, tmp_path, path, said):
    with pytest.raises(InputError, match=said):
        https.fetch(site[0] + path, tmp_path / "x", 4000)
    assert list(tmp_path.glob("*")) == []
