"""A video that plays in headless Chromium while it is made (make test-services; skips without Chromium)."""

import os
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from live_server import serving

sys.path.insert(0, str(Path(__file__).parents[1] / "fleet"))

from chromium import Chromium, executable

from sonic_core.clip import Audio, Clip
from sonic_core.fleet.worker import Worker
from sonic_core.media.hls import save_plain, save_stream
from sonic_core.service.api_keys import create_key
from sonic_core.service.app import Service

pytestmark = pytest.mark.skipif(
    executable() is None or not os.environ.get("SONIC_TEST_SERVICES"),
    reason="needs Chromium and SONIC_TEST_SERVICES (make test-services)",
)

VIDEO, SCRUB = "document.getElementById('video')", "document.getElementById('scrub')"
FRAMES = 200


def slow_engine(task):
    """Eight seconds of video at twice the time it lasts."""
    sound = np.random.default_rng(0).standard_normal((1, FRAMES * 640)).astype(np.float32) * 0.05

    def make():
        for index in range(FRAMES):
            time.sleep(0.08)
            yield np.full((1, 128, 128, 3), index / FRAMES, np.float32)

    def on_frame(done, total):
        task.report("rendering", done / total)
        task.stream.update(folder)

    folder = task.output.with_suffix("")
    save_stream(Clip(128, 128, FRAMES, Fraction(25), make, Audio(sound, 16000)), folder, on_frame=on_frame)
    task.stream.finish(folder)
    save_plain(folder, task.output)
    return {}


SLOW_SESSION = """
const plain = window.fetch;
window.fetch = async (path, ...rest) => {
  if (path === "/session") await new Promise((resolve) => setTimeout(resolve, 1000));
  return plain(path, ...rest);
};
"""


@pytest.fixture
def url(ledger, stores):
    """The service, with a worker that serves its jobs."""
    stop = threading.Event()
    worker = threading.Thread(target=Worker(ledger, stores, slow_engine).run, args=(stop, 0.1))
    with serving(Service(ledger, stores)) as address:
        stores.outputs.base_url = address
        worker.start()
        yield address
        stop.set()
        worker.join(20)


def test_it_plays_at_once_shows_how_far_it_is_made_and_plays_again(ledger, url, portrait, tmp_path):
    pictures, key = Path(os.environ.get("SONIC_TEST_PICTURES") or tmp_path), create_key(ledger, "u")
    with Chromium("--autoplay-policy=no-user-gesture-required") as tab:
        tab.call("Page.enable")
        tab.call("Page.addScriptToEvaluateOnNewDocument", source=SLOW_SESSION)
        tab.open(url)
        tab.run("window.form = document.getElementById('form')")
        tab.run(f"document.getElementById('key').value = '{key}'")
        tab.wait("!document.getElementById('key-field').hidden")
        assert tab.run("document.getElementById('key').value") == key, "what was typed early is not wiped"
        tab.choose_file("[name=image]", portrait)
        soundfile.write(tmp_path / "speech.wav", np.zeros(FRAMES * 640), 16000)
        tab.choose_file("[name=audio]", tmp_path / "speech.wav")
        tab.run("form.purpose.value = form.subject.value = 'a test'; form.consent.click()")
        tab.run("document.querySelector('[type=submit]').click()")
        tab.wait(f"{VIDEO}.currentTime > 0.5")
        state = "document.getElementById('work').dataset.state"
        assert tab.run(state) == "running", "it plays before it is made"
        assert abs(float(tab.run(f"{SCRUB}.max")) - FRAMES / 25) < 0.1, "as long as the whole will be"
        tab.wait(f"!{SCRUB}.hidden && parseFloat({SCRUB}.style.getPropertyValue('--made')) > 20")
        assert abs(float(tab.run(f"{SCRUB}.value")) - tab.run(f"{VIDEO}.currentTime")) < 1
        tab.screenshot(pictures / "page-stream.png")
        tab.run(f"{SCRUB}.value = 0; {SCRUB}.dispatchEvent(new Event('input'))")
        tab.wait(f"{VIDEO}.currentTime < 0.6")
        tab.wait(f"{state} === 'done' && {SCRUB}.hidden")
        tab.run(f"{VIDEO}.currentTime = 7.5; {VIDEO}.play()")
        tab.wait(f"{VIDEO}.ended")
        assert abs(tab.run(f"{VIDEO}.duration") - FRAMES / 25) < 0.1
        tab.run(f"{VIDEO}.play()")
        tab.wait(f"!{VIDEO}.ended && {VIDEO}.currentTime > 0.5 && {VIDEO}.currentTime < 3")
        assert not tab.errors()
