"""The real canvas in headless Chromium: templates found and loaded whole, one queued, its preview playing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from .conftest import PACK, ROOT, Server

sys.path.insert(0, str(Path(__file__).parents[1] / "fleet"))
TITLES = sorted(path.stem for path in (ROOT / "workflows").glob("*.json"))
LOAD = """(async () => {
  const answer = await fetch('/api/workflow_templates/%s/%s.json');
  await app.loadGraphData(await answer.json(), true, true, '%s');
  return true;
})()"""
NODES = """app.graph.nodes.map((node) => ({
  type: node.type, known: Boolean(node.comfyClass) || node.type === 'MarkdownNote', wrong: Boolean(node.has_errors),
}))"""


@pytest.fixture(scope="module")
def canvas(server: Server) -> Iterator[Any]:
    pytest.importorskip("websockets")
    from chromium import Chromium, executable

    if executable() is None:
        pytest.skip("needs chromium")
    with Chromium(width=1600, height=1000) as tab:
        tab.open(server.url)
        tab.wait("window.app && app.graph && app.extensionManager && document.querySelector('canvas')", 240)
        tab.wait("app.canvas && app.extensionManager.command", 60)
        yield tab


def load(canvas: Any, name: str) -> None:
    canvas.run(LOAD % (PACK, quote(name), name))
    canvas.wait("app.graph.nodes.some((node) => node.type.toLowerCase().startsWith('sonic'))", 60)


def test_the_template_browser_lists_them(canvas: Any) -> None:
    canvas.run("app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    leaves = "[...document.querySelectorAll('.p-dialog *')].filter((e) => e.childElementCount === 0)"
    entry = f"{leaves}.find((e) => e.textContent.trim() === 'Sonic Studio')"
    canvas.wait(entry, 120)
    canvas.run(f"{entry}.click()")
    for name in TITLES:
        canvas.wait(f"document.querySelector('.p-dialog').textContent.includes('{name}')", 60)
    canvas.run("document.querySelector('.p-dialog-close-button, .p-dialog-header-close')?.click()")


@pytest.mark.parametrize("name", TITLES)
def test_a_template_loads_without_red_or_missing_nodes(canvas: Any, name: str) -> None:
    load(canvas, name)
    nodes = canvas.run(NODES)
    assert len(nodes) > 6
    assert [node for node in nodes if not node["known"] or node["wrong"]] == []


def test_every_node_can_be_made(canvas: Any) -> None:
    found = canvas.run(
        "Object.values(LiteGraph.registered_node_types).filter((n) => n.nodeData?.python_module?.includes('sonic'))"
        ".map((n) => [n.nodeData.name, LiteGraph.createNode(n.nodeData.name)?.inputs !== undefined])"
    )
    assert len(found) == 23 and all(made for _, made in found), json.dumps(found)


def test_the_preview_plays(canvas: Any) -> None:
    load(canvas, "Photo speaks, fast")
    canvas.run(
        "app.graph.nodes.find((n) => n.type === 'SonicLoadAudio').widgets.find((w) => w.name === 'trim').value = 1.0;"
        "app.graph.nodes.find((n) => n.type === 'SONIC_PreData').widgets.find((w) => w.name === 'min_resolution').value"
        " = 256; app.queuePrompt(0, 1); true"
    )
    canvas.wait("[...document.querySelectorAll('video')].some((v) => v.readyState >= 3)", 240)
    canvas.run("document.querySelectorAll('video').forEach((v) => { v.muted = true; v.loop = true; v.play(); }); true")
    canvas.wait("[...document.querySelectorAll('video')].some((v) => v.currentTime > 0.3)", 60)
    assert "file:///" not in str(canvas.run("JSON.stringify(app.graph.serialize())"))
