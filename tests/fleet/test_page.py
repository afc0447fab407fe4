"""The page in headless Chromium, used like a person uses it (make test-services; skips without Chromium)."""

import os
import socket
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("websockets")

import uvicorn
from chromium import Chromium, executable
from fleet_stubs import video_engine
from PIL import Image

from sonic_core.clip import Clip
from sonic_core.fleet.worker import Worker
from sonic_core.ledger.database import open_database
from sonic_core.ledger.ledger import Ledger
from sonic_core.media.video import save_video
from sonic_core.service.app import Service, make_app
from sonic_core.service.local import LocalDoor
from sonic_core.storage.folder import FolderStore
from sonic_core.storage.stores import Stores

pytestmark = pytest.mark.skipif(
    executable() is None or not os.environ.get("SONIC_TEST_SERVICES"),
    reason="needs Chromium and SONIC_TEST_SERVICES (make test-services)",
)


@pytest.fixture
def address(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    ledger = Ledger(open_database(f"sqlite:///{tmp_path}/page.sqlite"))
    store = FolderStore(tmp_path / "objects", base_url=url)
    stores = Stores(store, store, 600)
    stop, door = threading.Event(), LocalDoor.make(port)
    worker = Worker(ledger, stores, video_engine, lease_seconds=2)
    config = uvicorn.Config(make_app(Service(ledger, stores, local=door)), port=port, log_level="warning")
    server = uvicorn.Server(config)
    threads = [threading.Thread(target=server.run), threading.Thread(target=worker.run, args=(stop, 0.1))]
    for thread in threads:
        thread.start()
    while not server.started:
        time.sleep(0.05)
    yield door.address(url)
    stop.set()
    server.should_exit = True
    for thread in threads:
        thread.join(20)


STATE = "document.getElementById('work').dataset.state"
DROP = """
(async (selector, url, name, type) => {
  const file = new File([await (await fetch(url)).blob()], name, {type});
  const data = new DataTransfer();
  data.items.add(file);
  const place = document.querySelector(selector);
  for (const kind of ["dragenter", "dragover", "drop"])
    place.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
})(%s)
"""


def fill(tab, portrait, speech):
    tab.choose_file("[name=image]", Path(os.environ.get("SONIC_TEST_PORTRAIT") or portrait))
    tab.choose_file("[name=audio]", speech)
    tab.wait("!document.getElementById('image-preview').hidden")
    tab.run("form.purpose.value = '问候'; form.subject.value = '小安'; form.title.value = '生日 1'")
    tab.run("form.consent.click()")


def text_of(tab, name):
    return tab.run(f"document.getElementById('{name}').textContent")


def test_a_video_gets_another_voice(address, speech, tmp_path):
    pictures = Path(os.environ.get("SONIC_TEST_PICTURES") or tmp_path)
    frames = np.full((10, 96, 128, 3), 0.5, np.float32)
    save_video(Clip.of_frames(frames, Fraction(25)), tmp_path / "lecture.mp4")
    with Chromium() as tab:
        tab.open(address)
        tab.run("document.querySelector('details').open = true")
        shown = "!document.querySelector('[data-of=video]').hidden"
        assert not tab.run(shown)
        tab.choose_file("[name=image]", tmp_path / "lecture.mp4")
        tab.wait(f"{shown} && !document.getElementById('video-preview').hidden")
        assert tab.run("document.querySelector('[data-of=photo]').hidden")
        tab.choose_file("[name=audio]", speech)
        tab.wait("document.getElementById('estimate').textContent.startsWith('128 × 96, ')")
        tab.run("form.who.value = 'auto'; form.own_sound.value = '0.1'; form.longer.value = 'freeze'")
        tab.run("form.purpose.value = 'a lesson'; form.subject.value = 'Ann'; form.consent.click()")
        tab.screenshot(pictures / "page-dub.png")
        tab.run("document.querySelector('[type=submit]').click()")
        tab.wait(f"{STATE} === 'done'")
        job = tab.run("fetch('/jobs').then(r => r.json()).then(jobs => jobs[0])")
        assert job["dubs"] and job["photo"] == [128, 96]
        assert [job["settings"][name] for name in ("who", "own_sound", "longer")] == ["auto", 0.1, "freeze"]


def test_from_drop_to_download(address, portrait, speech, tmp_path):
    pictures = Path(os.environ.get("SONIC_TEST_PICTURES") or tmp_path)
    with Chromium() as tab:
        tab.open(address)
        tab.wait("document.querySelector('[data-text=make]').textContent === 'Make the video'")
        assert "token" not in tab.run("location.href"), "the secret leaves the address bar"
        assert tab.run("form.label.value") == "en", "the label speaks the page's language"
        tab.screenshot(pictures / "page-en.png")
        tab.run("document.querySelector('[data-language=zh]').click()")
        assert tab.run("document.querySelector('[data-text=make]').textContent") == "生成视频"
        assert tab.run("form.label.value") == "zh"
        fill(tab, portrait, speech)
        tab.run("form.consent.click()")
        tab.wait("document.getElementById('estimate').textContent.includes('帧')")
        tab.run("document.querySelector('details').open = true")
        submit = "document.querySelector('[type=submit]').click()"
        tab.run(submit)
        assert tab.run("document.getElementById('work').hidden"), "no job without the consent tick"
        tab.run("form.consent.click()")
        tab.screenshot(pictures / "page-filled.png")
        tab.run(submit)
        tab.wait("document.getElementById('stage').textContent === '绘制画面'")
        tab.wait("document.getElementById('progress').value > 0.1")
        tab.screenshot(pictures / "page-working.png")
        tab.wait(f"{STATE} === 'done' && document.getElementById('video').readyState >= 2")
        assert abs(tab.run("document.getElementById('video').duration") - 2.0) < 0.1
        tab.run("document.getElementById('video').muted = true; document.getElementById('video').play()")
        tab.wait("document.getElementById('video').currentTime > 0.5")
        tab.wait("document.querySelector('#jobs img')?.naturalWidth > 0")
        assert "生日 1" in text_of(tab, "jobs") and "秒" in text_of(tab, "jobs")
        tab.screenshot(pictures / "page-done.png")
        size = tab.run("fetch(document.getElementById('download').href).then(r => r.blob()).then(b => b.size)")
        jobs = "fetch('/jobs').then(r => r.json())"
        assert size == tab.run(f"{jobs}.then(jobs => jobs[0].bytes)") > 1000
        assert tab.run("fetch('/consents').then(r => r.json()).then(c => c[0].subject)") == "小安"
        tab.run("window.confirm = () => true; document.getElementById('revoke').click()")
        tab.wait("document.getElementById('stage').textContent.includes('已撤回同意')")
        assert tab.run(f"{jobs}.then(jobs => fetch('/jobs/' + jobs[0].id + '/link')).then(r => r.status)") == 410

        # A click on a video that was withdrawn: 0.1.0 said "Done", then tried to reconnect for ever.
        tab.wait("document.querySelector('#jobs .deleted')")
        tab.run("document.querySelector('#jobs button').click()")
        tab.wait(f"{STATE} === 'deleted'")
        time.sleep(2.5)
        assert text_of(tab, "stage") == "已删除" and tab.run("document.getElementById('actions').hidden")
        tab.screenshot(pictures / "page-withdrawn.png")

        # Files dropped beside the zones are taken by what they are; the page is not left.
        tab.run(DROP % "'header', '/static/icon.svg', 'me.png', 'image/png'")
        tab.wait("form.image.files[0].name === 'me.png'")
        tab.run(DROP % "'#audio-drop', '/static/icon.svg', 'x.png', 'image/png'")
        assert text_of(tab, "problem") == "文件类型不对。"

        # The service's sentences in the page's language.
        tab.run("form.subject.value = form.purpose.value = 'x'")
        tab.choose_file("[name=audio]", speech)
        tab.run("form.consent.click()")
        tab.run(submit)
        tab.wait("document.getElementById('problem').textContent")
        assert text_of(tab, "problem").startswith("无法读取照片")
        assert not tab.errors(), "nothing was blocked by the page's own policy"


def test_the_history_page_by_page_and_a_failed_job_again(address, portrait, speech):
    with Chromium() as tab:
        tab.open(address)
        fill(tab, portrait, speech)
        tab.wait("form.checkValidity()")
        make = """
        (async () => {
          for (let number = 0; number < 10; number++) {
            const body = new FormData();
            body.set("image", form.image.files[0]); body.set("audio", form.audio.files[0]);
            body.set("name", "video " + number);
            body.set("consent", JSON.stringify({agreed: true, subject: "s", purpose: "p"}));
            const job = await (await fetch("/jobs", {method: "POST", body})).json();
            if (number < 9) await fetch("/jobs/" + job.id, {method: "DELETE"});
          }
        })()
        """
        tab.run(make)
        tab.run("document.querySelector('[data-language=en]').click()")
        tab.wait("document.querySelectorAll('#jobs li').length === 8")
        tab.run("document.getElementById('more').click()")
        tab.wait("document.querySelectorAll('#jobs li').length === 10 && document.getElementById('more').hidden")


def test_a_voice_recorded_in_the_page(address, portrait, speech):
    """Chromium's own test microphone beeps; the recording becomes the job's voice."""
    with Chromium("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream") as tab:
        tab.open(address)
        fill(tab, portrait, speech)
        tab.run("document.getElementById('record').click()")
        tab.wait("!document.getElementById('level').hidden && document.getElementById('level').value > 0.01")
        time.sleep(1.5)
        tab.run("document.getElementById('record').click()")
        tab.wait("form.audio.files[0].name.startsWith('recording')")
        tab.run("document.querySelector('[type=submit]').click()")
        tab.wait(f"{STATE} === 'done'")
        assert tab.run("fetch('/jobs').then(r => r.json()).then(jobs => jobs[0].seconds)") > 1


def test_without_the_secret_the_page_says_what_to_do(address):
    with Chromium() as tab:
        tab.open(address.partition("/?")[0])
        tab.wait("!document.getElementById('door').hidden && !document.getElementById('key-field').hidden")


def test_faces_are_clicked_for_two_voices(address, portrait_path, speech, tmp_path):
    """With two sounds the photo shows its faces; the numbers on them are those of the voices."""
    photo = Image.open(portrait_path).convert("RGB").resize((300, 300))
    both = Image.new("RGB", (600, 300), "white")
    both.paste(photo.resize((200, 200)), (0, 0))
    both.paste(photo, (300, 0))
    both.save(tmp_path / "couple.png")
    shown = "[...document.querySelectorAll('#faces button')].map(face => face.dataset.face + ':' + face.textContent)"
    with Chromium() as tab:
        tab.open(address)
        fill(tab, tmp_path / "couple.png", speech)
        assert tab.run(shown) == []
        tab.run("document.querySelector('details').open = true")
        tab.choose_file("[name=second]", speech)
        tab.wait(f"{shown}.length === 2")
        assert tab.run(shown) == ["0:2", "1:1"]  # the smaller face stands on the left
        for face in (1, 1):  # taken off, and on again as the second
            tab.run(f"document.querySelector('[data-face=\"{face}\"]').click()")
        assert tab.run(shown) == ["0:1", "1:2"]
        tab.run("document.querySelector('[type=submit]').click()")
        tab.wait(f"{STATE} === 'done'")
        script = "fetch('/jobs').then(r => r.json()).then(jobs => jobs[0].settings.faces)"
        assert tab.run(script) == [0, 1] and not tab.errors()


def test_two_voices_for_a_photo_of_two(address, portrait, speech):
    """The page puts both together, a channel each; the job says that the channels are people's."""
    with Chromium() as tab:
        tab.open(address)
        fill(tab, portrait, speech)
        tab.run("document.querySelector('details').open = true")
        tab.choose_file("[name=second]", speech)
        tab.run("document.querySelector('[type=submit]').click()")
        tab.wait(f"{STATE} === 'done'")
        job = tab.run(
            "fetch('/jobs').then(r => r.json()).then(jobs => fetch('/jobs/' + jobs[0].id)).then(r => r.json())"
        )
        assert job["settings"]["voices"] == "channels" and job["settings"]["framing"] == "whole"
        script = (
            "import('/static/voices.js').then(({together}) => together(form.audio.files[0], form.second.files[0]))"
            ".then(file => file.arrayBuffer()).then(data => new AudioContext().decodeAudioData(data))"
            ".then(sound => [sound.numberOfChannels, Math.abs(sound.duration - 0.5) < 0.1])"
        )
        assert tab.run(script) == [2, True]
        assert not tab.errors()
