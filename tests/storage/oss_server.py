"""A strict OSS server for the tests: it refuses whatever the real one would refuse.

Verifies V4 signatures (header and query), STS tokens, expiry, Content-MD5, multipart rules and
forbid-overwrite, keeps versions, answers with CRC64. Knobs make it fail on purpose: lost answers, 503s,
missing checksums, damaged downloads. Path-style addresses; `cnames` maps a host name to a bucket.
"""

import random
import sys
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote
from xml.sax.saxutils import escape

from oss_bucket import Answer, Bucket, serve_bucket
from oss_object import serve_object
from oss_signature import Account, Refused, parse_query, verify


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed in the middle of a request is no news; everything else is."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class OssServer:
    """Start with `with OssServer() as server:`; `server.endpoint` is its address."""

    def __init__(self, region: str = "cn-hangzhou", seed: int = 0):
        self.region = region
        self.accounts: dict[str, Account] = {}
        self.buckets: dict[str, Bucket] = {}
        self.cnames: dict[str, str] = {}
        self.lock = threading.RLock()
        self.requests: list[str] = []
        self.refused: list[str] = []
        self.clock_offset = timedelta(0)
        self.fail_rate = 0.0  # of requests answered 503 before anything happened
        self.lose_rate = 0.0  # of requests carried out whose answer is lost
        self.omit_crc = False
        self.damage_downloads = 0  # how many of the next downloads arrive with a wrong byte
        self._random = random.Random(seed)
        self._serial = 0
        self._http = _Http(("127.0.0.1", 0), _handler(self))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> "OssServer":
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def now(self) -> datetime:
        return datetime.now(timezone.utc).replace(microsecond=0) + self.clock_offset

    def chance(self, rate: float) -> bool:
        with self.lock:
            return rate > 0 and self._random.random() < rate

    def next_id(self) -> str:
        with self.lock:
            self._serial += 1
            return f"{self._serial:08X}"


def _handler(server: OssServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_request(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {k.lower(): v for k, v in self.headers.items()}
            path, _, raw_query = self.path.partition("?")
            server.requests.append(f"{self.command} {self.path}")
            try:
                if "transfer-encoding" in headers:
                    raise Refused(411, "MissingContentLength")
                if server.chance(server.fail_rate):
                    raise Refused(503, "ServiceUnavailable", "on purpose")
                bucket_name, key = _address(server, self.headers.get("Host", ""), unquote(path, errors="strict"))
                resource = f"/{bucket_name}/{key}" if bucket_name else "/"
                who = verify(self.command, resource, raw_query, headers, server.accounts, server.region, server.now())
                with server.lock:
                    answer = _serve(
                        server, bucket_name, key, who, self.command, dict(parse_query(raw_query)), headers, body
                    )
            except Refused as refused:
                server.refused.append(f"{refused.status} {refused.code}")
                said = f"<Message>{escape(refused.message)}</Message>{refused.extra}"
                xml = f"<Error><Code>{refused.code}</Code>{said}</Error>"
                answer = Answer(refused.status, b"" if self.command == "HEAD" else xml.encode())
            if answer.status < 500 and server.chance(server.lose_rate):
                self.close_connection = True
                return
            self.send_response(answer.status)
            answer.headers.setdefault("Content-Length", str(len(answer.body)))
            answer.headers["x-oss-request-id"] = server.next_id()
            if server.omit_crc:
                answer.headers.pop("x-oss-hash-crc64ecma", None)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD" and answer.status != 204:
                self.wfile.write(answer.body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_request

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _address(server: OssServer, host: str, path: str) -> tuple[str, str]:
    name = host.rsplit(":", 1)[0]
    if name in server.cnames:
        return server.cnames[name], path[1:]
    bucket, _, key = path[1:].partition("/")
    return bucket, key


def _serve(server, bucket_name, key, who, method, query, headers, body) -> Answer:
    bucket = server.buckets.get(bucket_name)
    if bucket is None:
        raise Refused(404, "NoSuchBucket")
    if who is None:
        public = bucket.acl == "public-read" and b"true" not in bucket.config.get("publicAccessBlock", b"").lower()
        if not (public and method in ("GET", "HEAD") and key):
            raise Refused(403, "AccessDenied", "not signed")
    query = {k: v for k, v in query.items() if not k.startswith("x-oss-")}
    if not key:
        return serve_bucket(bucket, method, query, headers, body)
    return serve_object(server, bucket, key, method, query, headers, body)
