"""A live talk in headless Chromium with a microphone that plays a file (make test-services; skips without Chromium).

The talk draws a bar as long as the sound is loud, so the page itself can tell how much later than its microphone the
picture and the sound of the talk come. With SONIC_TEST_TALK=lite the bundled engine talks, and only its sound is timed.
"""

import importlib.util
import os
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from live_server import serving

sys.path.insert(0, str(Path(__file__).parents[1] / "fleet"))
sys.path.insert(0, str(Path(__file__).parents[1] / "live"))

from bar_talk import BigTalk, tone
from chromium import Chromium, executable

from sonic_core import SonicPipeline
from sonic_core.service.api_keys import create_key
from sonic_core.service.app import Service
from sonic_core.service.live_host import LiveHost

pytestmark = pytest.mark.skipif(
    executable() is None or not os.environ.get("SONIC_TEST_SERVICES"),
    reason="needs Chromium and SONIC_TEST_SERVICES (make test-services)",
)

VIDEO = "document.getElementById('live-video')"
LITE = os.environ.get("SONIC_TEST_TALK") == "lite"
MEASURE = """
(async () => {
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  const context = new AudioContext(), video = document.getElementById("live-video");
  await context.resume();
  const listen = (stream) => {
    const analyser = new AnalyserNode(context, { fftSize: 512 });
    context.createMediaStreamSource(new MediaStream(stream.getAudioTracks())).connect(analyser);
    return analyser;
  };
  const mouth = listen(microphone), ear = listen(video.srcObject || video.captureStream());
  const samples = new Float32Array(512);
  const loud = (analyser) => {
    analyser.getFloatTimeDomainData(samples);
    return Math.hypot(...samples) / Math.sqrt(512) > 0.02;
  };
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const bright = () => {
    canvas.drawImage(video, 0, 0, 12, 90, 0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data[0] > 128;
  };
  const begins = { spoken: [], heard: [], shown: [] }, was = { spoken: true, heard: true, shown: true };
  const note = (name, now) => {
    if (now && !was[name]) begins[name].push(performance.now());
    was[name] = now;
  };
  const end = performance.now() + 9000;
  while (performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 8));
    note("spoken", loud(mouth));
    note("heard", loud(ear));
    note("shown", bright());
  }
  return begins;
})()
"""


# A firewall that lets no UDP through: the offer names an address that nobody has (RFC 5737), and so does the answer.
BLOCKED = """
const nowhere = (sdp) => sdp.replace(/(a=candidate:\\S+ \\d+ \\S+ \\d+) \\S+/g, "$1 203.0.113.1");
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) { return send.call(this, typeof data === "string" ? nowhere(data) : data); };
const accept = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
  return accept.call(this, { type, sdp: nowhere(sdp) });
};
"""


class BarPipe:
    def talk(self, photo, preset, **settings):
        return BigTalk()


def load():
    return SonicPipeline.from_pretrained("lite") if LITE else BarPipe()


@pytest.fixture
def url(ledger, stores, tmp_path):
    with serving(Service(ledger, stores, live=LiveHost(load))) as url:
        yield url, create_key(ledger, "u")


@pytest.fixture
def tab(tmp_path):
    """Chromium whose microphone says half a second of tone every second and a half."""
    with wave.open(str(tmp_path / "mic.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        sound = np.concatenate([np.zeros(48000, np.float32), tone(0.5)])
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    flags = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    microphone = f"--use-file-for-fake-audio-capture={tmp_path}/mic.wav"
    with Chromium(*flags, microphone, "--autoplay-policy=no-user-gesture-required") as tab:
        yield tab


def begin(tab, url, portrait):
    address, key = url
    tab.open(address)
    tab.wait("!document.getElementById('talk').hidden")
    tab.run(f"window.form = document.getElementById('form'); document.getElementById('key').value = '{key}'")
    tab.run("document.getElementById('talk').click()")
    assert tab.run("document.getElementById('problem').textContent"), "nobody has agreed yet"
    tab.choose_file("[name=image]", portrait)
    tab.run("form.purpose.value = form.subject.value = 'a test'; form.consent.click()")
    tab.run("document.getElementById('talk').click()")
    tab.wait("document.getElementById('live-state').textContent === 'Speaking'")


def delay(begins: dict, name: str) -> float:
    """Median seconds from the beginning of a tone in the microphone to what `name` says."""
    after = [[came - spoken for came in begins[name] if came > spoken] for spoken in begins["spoken"]]
    found = [min(delays) / 1000 for delays in after if delays and min(delays) < 1400]
    assert len(found) >= 3, begins
    return float(np.median(found))


def test_where_webrtc_is_blocked_the_talk_goes_on_over_the_socket(tab, url, portrait):
    tab.call("Page.enable")
    tab.call("Page.addScriptToEvaluateOnNewDocument", source=BLOCKED)
    begin(tab, url, portrait)
    tab.wait(f"{VIDEO}.currentTime > 2 && !{VIDEO}.srcObject")
    assert tab.run("document.getElementById('problem').textContent") == "" and not tab.errors()


@pytest.mark.parametrize("road", ["webrtc", "socket"])
def test_a_microphone_makes_the_photo_speak(tab, url, portrait, portrait_path, tmp_path, road):
    if road == "webrtc" and importlib.util.find_spec("aiortc") is None:
        pytest.skip("needs aiortc, the extra webrtc")
    if road == "socket":
        tab.call("Page.enable")
        tab.call("Page.addScriptToEvaluateOnNewDocument", source="delete window.RTCPeerConnection")
    begin(tab, url, portrait_path if LITE else portrait)
    tab.wait(f"{VIDEO}.currentTime > 2 && Boolean({VIDEO}.srcObject) === {str(road == 'webrtc').lower()}")
    tab.screenshot(Path(os.environ.get("SONIC_TEST_PICTURES") or tmp_path) / f"live-{road}.png")
    begins = tab.run(MEASURE)
    late = {name: delay(begins, name) for name in (["heard"] if LITE else ["heard", "shown"])}
    print(f"{road}: seconds from the microphone until it is", {name: round(value, 2) for name, value in late.items()})
    assert max(late.values()) < 1.3
    if not LITE:
        assert abs(late["heard"] - late["shown"]) < 0.15, "lips and voice are together"
    assert tab.run("document.getElementById('problem').textContent") == "" and not tab.errors()
    tab.run("document.getElementById('live-end').click()")
    tab.wait("document.getElementById('live-state').textContent === 'The talk has ended.'")
