"""Pushing to a server: RTMP into a listening PyAV, a server that goes away and comes back, what is refused."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bar_talk import BarTalk, tone

from sonic_core.disclosure.label import VisibleLabel
from sonic_core.errors import OutputError
from sonic_core.live.pace import Pace
from sonic_core.live.push import Push, scheme, shortened
from sonic_core.live.session import LiveSession
from sonic_core.live.sound import RATE

LABEL = VisibleLabel("AI", seconds=None)


class Server:
    """`rtmp_server.py` in a process of its own."""

    def __init__(self, port: int, most: int = 10**9):
        self.address = f"rtmp://127.0.0.1:{port}/live/secret"
        command = [sys.executable, str(Path(__file__).parent / "rtmp_server.py"), self.address, str(most)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def result(self) -> dict:
        return json.loads(self.process.communicate(timeout=30)[0])


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def connected(address: str) -> Push:
    for _ in range(200):
        try:
            return Push(address, (64, 64), None)
        except OutputError:
            time.sleep(0.1)
    raise AssertionError("the server did not listen")


def shown_frames(seconds: float):
    session = LiveSession(BarTalk())
    session.push(tone(seconds), RATE)
    pace = Pace(lambda: 0.0, lambda _: None)  # as fast as it goes
    frames = pace.frames(session, lambda: session.silent())
    return list(frames)


def test_pictures_sound_and_record_arrive():
    server = Server(free_port())
    push = connected(server.address)
    for item in shown_frames(4):
        push.write(item)
    push.close()
    found = server.result()
    assert found["pictures"] >= 90 and found["sounds"] >= 150 and push.lost == 0
    assert '"Label":"1"' in found["metadata"]["AIGC"]


def test_a_server_that_comes_back_is_found_again():
    port = free_port()
    first, second = Server(port, most=20), None
    push = connected(first.address)
    frames = shown_frames(1)
    for _ in range(200):
        for item in frames:
            push.write(item)
        if push.lost and second is None:
            assert first.result()["pictures"] >= 20
            second = Server(port)
        if push.connections > 1:
            break
        push._next = 0.0  # do not wait
        time.sleep(0.05)
    for item in frames:
        push.write(item)
    push.close()
    assert push.connections == 2 and push.lost > 0
    assert second is not None and second.result()["pictures"] > 0


def test_a_stream_that_is_not_there_is_one_sentence_without_the_key():
    with pytest.raises(OutputError) as caught:
        Push(f"rtmp://127.0.0.1:{free_port()}/live/my-secret-key", (64, 64), LABEL)
    assert "cannot connect" in str(caught.value) and "my-secret-key" not in str(caught.value)


def test_targets():
    assert scheme("rtmp://host/app/key") == "rtmp" and scheme("UDP://1.2.3.4:5") == "udp" and scheme("a/b.mp4") is None
    for target in ("http://host/x", "file.mkv", "file"):
        with pytest.raises(OutputError):
            scheme(target)
    assert shortened("rtmp://host/app/key") == "rtmp://host/app/..." and shortened("a.mp4") == "a.mp4"
