"""A real RTMP server, nginx with its module, and a viewer who joins late (make test-services; skips without nginx)."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from bar_talk import BigTalk, tone

from sonic_core.live.pace import Pace
from sonic_core.live.push import Push
from sonic_core.live.session import LiveSession
from sonic_core.live.sound import RATE

MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
pytestmark = pytest.mark.skipif(
    shutil.which("nginx") is None or not MODULE.is_file() or not os.environ.get("SONIC_TEST_SERVICES"),
    reason="needs nginx, libnginx-mod-rtmp and SONIC_TEST_SERVICES (make test-services)",
)
CONFIG = """
load_module {module};
daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 64; }}
rtmp {{ server {{ listen 127.0.0.1:{port}; application live {{ live on; }} }} }}
"""
# In a process of its own: PyAV holds Python's lock while it connects.
WATCH = """
import sys, av
begins, counts = {}, {"video": 0, "audio": 0}
with av.open(sys.argv[1], timeout=(10, 10)) as stream:
    for packet in stream.demux():
        for frame in packet.decode():
            kind = packet.stream.type
            counts[kind] += 1
            begins.setdefault(kind, frame.time)
        if min(counts.values()) >= 10:
            break
print(begins["video"] - begins["audio"], counts["video"], counts["audio"])
"""


def connects(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def address(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "nginx.conf").write_text(CONFIG.format(module=MODULE, folder=tmp_path, port=port))
    server = subprocess.Popen(["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")])
    while not connects(port):
        assert server.poll() is None, (tmp_path / "log").read_text()
        time.sleep(0.1)
    yield f"rtmp://127.0.0.1:{port}/live/key"
    server.terminate()
    server.wait(10)


@pytest.mark.parametrize("every", [1, 7])  # the seventh picture only: a machine that is too slow for more
def test_who_joins_late_gets_picture_and_sound(address, every):
    session, end = LiveSession(BigTalk()), threading.Event()
    session.push(tone(60), RATE)
    push = Push(address, (128, 128), None)

    def send():
        for shown in Pace().frames(session, end.is_set):
            if shown.moment.index % every:
                shown.picture = None
            push.write(shown)
        push.close()

    sender = threading.Thread(target=send)
    sender.start()
    try:
        time.sleep(5)
        watch = [sys.executable, "-c", WATCH, address]
        found = subprocess.run(watch, capture_output=True, text=True, timeout=60, check=True)
    finally:
        end.set()
        sender.join(10)
    assert push.connections == 1 and push.lost == 0
    wait, pictures, sounds = map(float, found.stdout.split())
    assert wait <= 2.5, "key frames come every two seconds"
    assert pictures >= 10 and sounds >= 10
