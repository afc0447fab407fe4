"""The page in headless Chromium, used like a person uses it (make test-services; skips without Chromium)."""

import os
import socket
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("websockets")

import uvicorn
from chromium import Chromium, executable
from fleet_stubs import video_engine

from sonic_core.fleet.worker import Worker
from sonic_core.ledger.database import open_database
from sonic_core.ledger.ledger import Ledger
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


def test_from_drop_to_download(address, portrait, speech, tmp_path):
    pictures = Path(os.environ.get("SONIC_TEST_PICTURES") or tmp_path)
    with Chromium() as tab:
        tab.open(address)
        tab.wait("document.querySelector('[data-text=make]').textContent === 'Make the video'")
        tab.screenshot(pictures / "page-en.png")
        tab.run("document.querySelector('[data-language=zh]').click()")
        assert tab.run("document.querySelector('[data-text=make]').textContent") == "生成视频"
        tab.choose_file("[name=image]", Path(os.environ.get("SONIC_TEST_PORTRAIT") or portrait))
        tab.choose_file("[name=audio]", speech)
        tab.wait("!document.getElementById('image-preview').hidden")
        tab.run("document.querySelector('details').open = true; form.purpose.value = '问候'")
        submit = "document.querySelector('[type=submit]').click()"
        tab.run(submit)
        assert tab.run("document.getElementById('work').hidden"), "no job without the consent tick"
        tab.run("form.consent.click()")
        tab.screenshot(pictures / "page-filled.png")
        tab.run(submit)
        tab.wait("document.getElementById('stage').textContent === '绘制画面'")
        tab.wait("document.getElementById('progress').value > 0.1")
        tab.screenshot(pictures / "page-working.png")
        tab.wait("current && current.state === 'done' && document.getElementById('video').readyState >= 2")
        assert abs(tab.run("document.getElementById('video').duration") - 2.0) < 0.1
        tab.run("document.getElementById('video').muted = true; document.getElementById('video').play()")
        tab.wait("document.getElementById('video').currentTime > 0.5")
        tab.screenshot(pictures / "page-done.png")
        size = tab.run("fetch(document.getElementById('download').href).then(r => r.blob()).then(b => b.size)")
        assert size == tab.run("current.bytes") > 1000
        tab.run("window.confirm = () => true; document.getElementById('revoke').click()")
        tab.wait("document.getElementById('stage').textContent.includes('已撤回同意')")
        assert tab.run("fetch('/jobs/' + current.id + '/link').then(r => r.status)") == 410
        tab.choose_file("[name=image]", speech)
        assert tab.run("document.getElementById('problem').textContent") == "文件类型不对。"
