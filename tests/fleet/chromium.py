"""Drives headless Chromium over its DevTools protocol: just enough to use a page like a person and look at it."""

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from websockets.sync.client import connect

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip


def executable() -> str | None:
    return shutil.which("chromium") or shutil.which("google-chrome")


class Chromium:
    """One tab. `with Chromium() as tab: tab.open(url)`."""

    def __init__(self, *flags: str, width: int = 900, height: int = 1000):
        self._folder = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [executable(), *FLAGS, *flags, f"--user-data-dir={self._folder.name}", "--remote-debugging-port=0",
             f"--window-size={width},{height}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        port_file = Path(self._folder.name) / "DevToolsActivePort"
        self._wait(port_file.is_file, 60)
        port = port_file.read_text().splitlines()[0]
        pages = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list"))
        address = next(p["webSocketDebuggerUrl"] for p in pages if p["type"] == "page")
        self._stack = contextlib.ExitStack()
        self._socket = self._stack.enter_context(connect(address, max_size=1 << 26))
        self._ids = itertools.count(1)
        self._events: list[dict] = []
        self.call("Log.enable")
        self.call("Runtime.enable")

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._process.terminate()
        self._process.wait(10)
        self._folder.cleanup()

    def call(self, method: str, **params: object) -> dict:
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=120))
            if "method" in answer:
                self._events.append(answer)
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(answer["error"]["message"])
                return answer["result"]

    def errors(self) -> list[str]:
        """What the page's scripts threw, and what its own security policy blocked."""
        thrown = [json.dumps(e["params"])[:300] for e in self._events if e["method"] == "Runtime.exceptionThrown"]
        entries = [e["params"]["entry"] for e in self._events if e["method"] == "Log.entryAdded"]
        return thrown + [entry["text"] for entry in entries if entry["source"] in ("security", "violation")]

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href.startsWith('http')")

    def run(self, script: str) -> object:
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"])[:500])
        return result["result"].get("value")

    def wait(self, condition: str, seconds: float = 60) -> None:
        self._wait(lambda: self.run(f"Boolean({condition})"), seconds, condition)

    def choose_file(self, selector: str, path: Path) -> None:
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(path)], nodeId=node)

    def screenshot(self, path: Path) -> None:
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(picture["data"]))

    @staticmethod
    def _wait(condition, seconds: float, what: str = "Chromium") -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(what)
            time.sleep(0.1)
