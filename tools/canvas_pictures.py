# ruff: noqa: E402  (the tests' driver of Chromium must be found before it is imported)
"""Makes the pictures of the canvas in docs/images, from a running ComfyUI with the pack, in headless Chromium.

    python tools/canvas_pictures.py http://127.0.0.1:8188 [--only fast search]

They show Nodes 2.0 in a window of 1680 x 1000. The workflows are cut to a few seconds before they are run. The
server's settings of language and renderer are changed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import httpx
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "fleet"))
from chromium import Chromium

IMAGES = ROOT / "docs" / "images"
WINDOW, SHOWN = (1680, 1000), (1400, 833)
SETTLE = 20  # seconds
PATIENCE = 600  # seconds for a page or a run on a busy machine
READY = "window.app && app.graph && app.canvas && app.extensionManager?.command && document.querySelector('canvas')"
LOAD = """(async () => {{
  const answer = await fetch('/api/workflow_templates/sonic-studio/{file}.json');
  await app.loadGraphData(await answer.json(), true, true, '{name}', {{openSource: 'template'}});
  return true;
}})()"""
SHORTEN = """app.graph.nodes.forEach((node) => {
  const set = (name, value) => { const w = node.widgets?.find((w) => w.name === name); if (w) w.value = value; };
  if (node.type === 'SonicLoadAudio' && !node.widgets.find((w) => w.name === 'trim').value) set('trim', 2.4);
  set('min_resolution', 384);
}); true"""
BROWSE = """(async () => {
  await app.extensionManager.command.execute('Comfy.BrowseTemplates');
  const leaves = () => [...document.querySelectorAll('[role=dialog] *, .p-dialog *')].filter((e) => !e.children.length);
  const entry = () => leaves().find((e) => e.textContent.trim() === 'Sonic Studio');
  for (let k = 0; k < 300 && !entry(); k++) await new Promise((done) => setTimeout(done, 200));
  entry().click();
  return true;
})()"""
SEARCH = """(async () => {{
  await app.extensionManager.command.execute('Workspace.SearchBox.Toggle');
  const field = () => [...document.querySelectorAll('input')].filter((e) => e.offsetParent).at(-1);
  for (let k = 0; k < 100 && !field(); k++) await new Promise((done) => setTimeout(done, 200));
  await new Promise((done) => setTimeout(done, 1500));
  field().focus();
  document.execCommand('insertText', false, '{words}');
  return true;
}})()"""
ABSENT = """(() => {
  const node = app.graph.nodes.find((node) => node.type === 'SonicLoadModel');
  const widget = node.widgets.find((w) => w.name === 'model');
  widget.value = widget.options.values.find((value) => value.includes('not installed'));
  widget.callback(widget.value);
  app.canvas.centerOnNode(node);
  return true;
})()"""
PICTURES_LOADED = """document.body.textContent.includes('Two people speak')
  && [...document.images].filter((i) => i.src.startsWith('blob:') && i.naturalWidth).length >= 8"""


class Canvas:
    def __init__(self, tab: Chromium, url: str, language: str):
        self.tab, self.url = tab, url
        settings = {
            "Comfy.Locale": language,
            "Comfy.VueNodes.Enabled": True,
            "Comfy.TutorialCompleted": True,
            "Comfy.Minimap.Visible": False,
            "Comfy.Notification.ShowVersionUpdates": False,
        }
        httpx.post(f"{url}/settings", json=settings, timeout=60).raise_for_status()
        tab.open(url)
        tab.wait(READY, PATIENCE)
        tab.run("app.graph.clear(); true")

    def load(self, name: str) -> None:
        self.tab.run(LOAD.format(file=quote(name), name=name))
        self.tab.wait("app.graph.nodes.some((node) => node.type.startsWith('Sonic'))", PATIENCE)

    def run(self, name: str) -> None:
        self.load(name)
        self.tab.run(SHORTEN)
        self.tab.run("app.queuePrompt(0, 1); true")
        end = time.monotonic() + PATIENCE
        while self.at_work():
            if time.monotonic() > end:
                raise SystemExit(f"{name} has not ended after {PATIENCE} s; no picture was made of it")
            time.sleep(1)

    def at_work(self) -> bool:
        queue = httpx.get(f"{self.url}/queue", timeout=60).json()
        return bool(queue["queue_running"] or queue["queue_pending"])

    def save(self, name: str, size: tuple[int, int] = SHOWN, box: tuple[int, int, int, int] | None = None) -> None:
        time.sleep(SETTLE)  # what fades or moves in comes to rest
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "canvas.png"
            self.tab.screenshot(path)
            picture = Image.open(path).convert("RGB").crop(box or (0, 0, *WINDOW))
        picture.resize(size, Image.Resampling.LANCZOS).save(IMAGES / f"canvas_{name}.jpg", quality=85)
        print(f"canvas_{name}.jpg", flush=True)


def templates(canvas: Canvas) -> None:
    canvas.tab.run(BROWSE)
    canvas.tab.wait(PICTURES_LOADED, PATIENCE)
    canvas.save("templates")


def search(canvas: Canvas) -> None:
    canvas.tab.run(SEARCH.format(words="talking head"))
    canvas.save("search")


def blueprint(canvas: Canvas) -> None:
    canvas.tab.run(SEARCH.format(words="photo speaks"))
    canvas.save("blueprint")


def download(canvas: Canvas) -> None:
    canvas.load("Photo speaks, fast")
    canvas.tab.run(ABSENT)
    canvas.save("download", (700, 600), (630, 320, 1190, 800))


def fast(canvas: Canvas) -> None:
    canvas.run("Photo speaks, fast")
    canvas.save("fast")


def dialogue(canvas: Canvas) -> None:
    canvas.run("Two people speak")
    canvas.save("dialogue")


def best_zh(canvas: Canvas) -> None:
    canvas.run("Photo speaks, best quality")
    canvas.save("best_zh")


PICTURES: dict[str, Callable[[Canvas], None]] = {
    made.__name__: made for made in (templates, search, blueprint, download, fast, dialogue, best_zh)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("--only", nargs="*", choices=PICTURES, default=list(PICTURES))
    args = parser.parse_args()
    with Chromium(width=WINDOW[0], height=WINDOW[1]) as tab:
        size = {"width": WINDOW[0], "height": WINDOW[1], "deviceScaleFactor": 1, "mobile": False}
        tab.call("Emulation.setDeviceMetricsOverride", **size)
        for name in args.only:
            PICTURES[name](Canvas(tab, args.server.rstrip("/"), "zh" if name.endswith("_zh") else "en"))


if __name__ == "__main__":
    main()
