"""Live talks over the socket: who may begin one, what comes out, and every way in which one ends."""

import asyncio
import io
import json
import subprocess
import sys
import threading
import time
import wave
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
from live_server import serving, wait_for
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

sys.path.insert(0, str(Path(__file__).parents[1] / "live"))

from bar_talk import BigTalk, tone

from sonic_core.errors import SettingsError
from sonic_core.ledger.reservations import Limits
from sonic_core.service import live_talk
from sonic_core.service.api_keys import create_key
from sonic_core.service.app import Service
from sonic_core.service.live_host import LiveHost, ice_servers_from
from sonic_core.service.slots import Slots

CONSENT = {"agreed": True, "subject": "s-1", "purpose": "a greeting"}


class ToyPipe:
    def talk(self, photo, preset, **settings):
        self.asked = preset, settings
        return BigTalk()


@pytest.fixture
def host():
    pipe = ToyPipe()
    return LiveHost(lambda: pipe, Slots("live talks", 1, 2))


@pytest.fixture
def service(ledger, stores, host):
    return Service(ledger, stores, limits=Limits(active_jobs=5, jobs_a_day=1000), live=host)


@pytest.fixture
def url(service):
    with serving(service) as url:
        yield url


@pytest.fixture
def begin(client, portrait, url):
    def begin(consent=CONSENT, settings=None, via=client):
        data = {"settings": json.dumps({"label": "en", **(settings or {})})}
        if consent is not None:
            data["consent"] = json.dumps(consent)
        return via.post("/live", files={"image": ("p.png", portrait.read_bytes())}, data=data)

    return begin


def socket(url: str, begun: httpx.Response):
    return connect(url.replace("http", "ws") + begun.json()["socket"], max_size=None)


def messages(talk, until, seconds: float = 60.0) -> tuple[list[dict], bytes]:
    """Texts and joined bytes until a text or the bytes so far satisfy `until(text, data)`."""
    texts, data, end = [], b"", time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            message = talk.recv(timeout=30)
        except ConnectionClosed:
            return texts, data
        if isinstance(message, bytes):
            data += message
        else:
            texts.append(json.loads(message))
        if until(texts[-1] if texts else {}, data):
            return texts, data
    raise AssertionError(f"it did not come; there was {texts}")


def seconds_of(data: bytes) -> float:
    with av.open(io.BytesIO(data)) as container:
        return max((frame.time for frame in container.decode(video=0)), default=0.0)


def test_speech_goes_in_and_a_talking_video_comes_out(url, begin, host):
    with socket(url, begin(settings={"seed": 7})) as talk:
        talk.send(json.dumps({"type": "start", "rate": 16000, "format": "s16"}))
        pcm = (tone(1.5, 16000) * 32767).astype("<i2").tobytes()
        for start in range(0, len(pcm), 3200):
            talk.send(pcm[start : start + 3200])
        talk.send(json.dumps({"type": "end"}))
        texts, data = messages(talk, lambda text, data: text.get("type") == "idle")
    assert [text["type"] for text in texts] == ["ready", "speaking", "idle"]
    assert texts[0]["mime"].startswith("video/mp4") and (texts[0]["width"], texts[0]["height"]) == (128, 128)
    assert host.pipe().asked == ("fast", {"seed": 7})
    assert texts[0]["aigc"]["Label"] == "1" and texts[0]["aigc"]["ProduceID"]
    with av.open(io.BytesIO(data)) as container:
        assert '"Label":"1"' in container.metadata["AIGC"]
        bars = [frame.to_ndarray(format="gray")[:90, :20].mean() for frame in container.decode(video=0)]
    with av.open(io.BytesIO(data)) as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert max(bars) > 150 > 50 > min(bars) and 0.3 < np.percentile(np.abs(sound), 95) < 0.6


def test_an_interrupt_is_answered_and_the_queue_is_gone(url, begin):
    with socket(url, begin()) as talk:
        messages(talk, lambda text, data: text.get("type") == "ready")
        talk.send(json.dumps({"type": "start"}))
        talk.send(tone(8.0).tobytes()[: 1 << 20])
        messages(talk, lambda text, data: text.get("type") == "speaking")
        began = time.monotonic()
        talk.send(json.dumps({"type": "interrupt"}))
        messages(talk, lambda text, data: text.get("type") == "interrupted")
        assert time.monotonic() - began < 4, "five seconds of speech were waiting"
        talk.send(tone(0.5).tobytes())
        messages(talk, lambda text, data: text.get("type") == "speaking")


def test_who_may_begin(url, begin, client, service, portrait):
    assert begin(consent=None).status_code == 400 and "consent" in begin(consent=None).json()["detail"]
    assert begin(consent={**CONSENT, "agreed": False}).status_code == 400
    assert client.post("/live", data={"consent": json.dumps(CONSENT)}).status_code == 400
    with httpx.Client(base_url=url) as nobody:
        assert begin(via=nobody).status_code == 401
    answer = begin()
    assert answer.status_code == 201
    with socket(url, answer) as talk:
        messages(talk, lambda text, data: text.get("type") == "ready")
        with pytest.raises(InvalidStatus), socket(url, answer):  # a ticket is good for one talk
            pass
        assert begin().status_code == 429, "one talk at a time"
        other = {"Authorization": f"Bearer {create_key(service.ledger, 'v')}"}
        with httpx.Client(base_url=url, headers=other) as another:
            assert begin(via=another).status_code == 201
    wait_for(lambda: begin().status_code == 201)  # its place is free again


def test_a_withdrawn_consent_ends_the_talk(url, begin, client, monkeypatch):
    monkeypatch.setattr(live_talk, "CONSENT_SECONDS", 0.2)
    answer = begin()
    with socket(url, answer) as talk:
        messages(talk, lambda text, data: text.get("type") == "ready")
        assert client.delete(f"/consents/{answer.json()['consent_id']}").is_success
        texts, _ = messages(talk, lambda text, data: text.get("type") == "ended")
    assert "revoked" in next(text["detail"] for text in texts if text["type"] == "error")


def test_a_socket_that_dies_frees_everything(url, begin, host):
    with socket(url, begin()) as talk:
        messages(talk, lambda text, data: len(data) > 2000)
        assert any(thread.name.startswith("talk-") for thread in threading.enumerate())
        talk.socket.shutdown(2)  # without a word
    wait_for(lambda: not any(thread.name.startswith("talk-") for thread in threading.enumerate()))
    wait_for(lambda: not host.slots._taken)


def test_a_client_that_does_not_read_is_let_go(url, begin, host, monkeypatch):
    monkeypatch.setattr(live_talk, "MAX_WAITING", 1000)  # less than the beginning of a video
    with socket(url, begin()) as talk:
        texts, data = messages(talk, lambda text, data: False)
        assert [text["type"] for text in texts] == ["ready"] and len(data) < 10_000
    wait_for(lambda: not host.slots._taken)
    assert not any(thread.name.startswith("talk-") for thread in threading.enumerate())


def test_nonsense_is_named_and_the_talk_goes_on(url, begin):
    with socket(url, begin()) as talk:
        for message in ("no json", "[]", '{"type": "dance"}', '{"type": "start", "rate": 5}', b"abc"):
            talk.send(message)
            texts, _ = messages(talk, lambda text, data: text.get("type") == "error")
            assert texts[-1]["detail"]
        talk.send(np.full(4800, np.nan, "<f4").tobytes())
        messages(talk, lambda text, data: "not numbers" in text.get("detail", ""))
        talk.send(tone(0.5).tobytes())
        messages(talk, lambda text, data: text.get("type") == "speaking")


def test_an_offer_moves_the_talk_to_webrtc_and_its_end_ends_it(url, begin):
    pytest.importorskip("aiortc")
    from browser_peer import BrowserPeer, reachable
    from websockets.asyncio.client import connect as connect_async

    if not reachable:
        pytest.skip("no network but loopback")
    address = url.replace("http", "ws") + begin().json()["socket"]

    async def talk():
        browser, texts, late = BrowserPeer(), [], 0
        async with connect_async(address, max_size=None) as socket:
            texts.append(json.loads(await socket.recv()))
            await socket.send(json.dumps({"type": "offer", "sdp": await browser.offer()}))
            async for message in socket:
                if isinstance(message, bytes):
                    late += len(browser.pictures) > 10
                    continue
                texts.append(json.loads(message))
                if texts[-1]["type"] == "answer":
                    await browser.accept(texts[-1]["sdp"])
                    await socket.send(json.dumps({"type": "offer", "sdp": "again"}))
                if texts[-1]["type"] == "speaking":
                    await browser.hears(lambda: browser.sounds and max(browser.sounds) > 0.2)
                    await browser.connection.close()
        return texts, late, browser

    texts, late, browser = asyncio.run(talk())
    assert texts[0]["webrtc"] is True and texts[0]["ice"] == []
    assert [text["type"] for text in texts[1:4]] == ["answer", "error", "speaking"]
    assert texts[-1]["type"] == "ended" and len(browser.pictures) > 20
    assert late <= 1, "nothing but the end of the file goes over the socket any more"


@pytest.mark.parametrize("broken", [False, True])
def test_without_webrtc_the_socket_says_so_and_goes_on(url, begin, host, monkeypatch, broken):
    host.webrtc = broken
    monkeypatch.setitem(sys.modules, "sonic_core.live.peer", None)  # importing it fails
    with socket(url, begin()) as talk:
        texts, _ = messages(talk, lambda text, data: text.get("type") == "ready")
        assert texts[0]["webrtc"] is broken
        talk.send(json.dumps({"type": "offer", "sdp": "v=0"}))
        said = "does not load" if broken else "no WebRTC"
        messages(talk, lambda text, data: said in text.get("detail", ""))
        assert host.webrtc is False
        talk.send(tone(0.5).tobytes())
        messages(talk, lambda text, data: text.get("type") == "speaking")


@pytest.mark.parametrize("text", ["no json", "{}", '[{"url": "stun:x"}]', '["stun:x"]'])
def test_ice_servers_that_are_none_are_named(text):
    with pytest.raises(SettingsError, match="SONIC_ICE_SERVERS"):
        ice_servers_from(text)
    turn = '[{"urls": "turn:host", "username": "u", "credential": "c"}]'
    assert ice_servers_from(turn) == json.loads(turn) and ice_servers_from("") == []


def test_without_a_host_there_are_no_talks(ledger, stores):
    with serving(Service(ledger, stores)) as url:
        assert httpx.post(f"{url}/live").status_code == 404
        assert httpx.get(f"{url}/session").json()["live"] is False


def test_the_example_client_gets_a_video(url, service, portrait, tmp_path):
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22050)
        file.writeframes((tone(1.2, 22050) * 32767).astype("<i2").tobytes())
    script = Path(__file__).parents[2] / "docs" / "examples" / "live_client.py"
    words = [
        url,
        create_key(service.ledger, "u"),
        str(portrait),
        str(tmp_path / "speech.wav"),
        str(tmp_path / "talk.mp4"),
    ]
    done = subprocess.run([sys.executable, str(script), *words], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split("\n")[:2] == ["ready", "speaking"] and '"idle"' in done.stdout
    assert seconds_of((tmp_path / "talk.mp4").read_bytes()) > 1.2
