"""What the registry and the neighbours ask of a pack, checked in its source and its metadata."""

from __future__ import annotations

import ast
import logging
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [ROOT / "__init__.py", *sorted((ROOT / "nodes").rglob("*.py")), *sorted((ROOT / "sonic_core").rglob("*.py"))]
FORBIDDEN_CALLS = {"eval", "exec", "compile", "print", "__import__"}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_breaks_a_registry_rule(path: Path) -> None:
    """No eval, exec, print; no pip at run time; nothing unpickled; torchaudio and torchvision are not needed."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else ""
            assert called not in FORBIDDEN_CALLS, f"{called} in line {node.lineno}"
            if isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "torch.load":
                assert any(word.arg == "weights_only" and word.value.value is True for word in node.keywords)  # type: ignore[attr-defined]
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            assert not {name.split(".")[0] for name in names} & {"pip", "torchaudio", "torchvision"}
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert "-m pip" not in node.value and "pip install --" not in node.value


@pytest.mark.parametrize("path", sorted((ROOT / "nodes").rglob("*.py")), ids=lambda path: path.name)
def test_a_node_leaves_places_to_comfyui(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for word in (".cuda(", "torch.cuda", "empty_cache", "unload_all_models"):
        assert word not in text


def test_the_library_does_not_know_comfyui() -> None:
    for path in (ROOT / "sonic_core").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            roots = {module.split(".")[0] for module in modules}
            assert not roots & {"comfy", "comfy_api", "folder_paths", "server", "nodes"}, path


def test_the_metadata_is_what_the_registry_expects(project: dict[str, Any]) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]*", project["project"]["name"])
    assert "comfyui" not in project["project"]["name"].lower()
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["project"]["version"])
    assert project["project"]["urls"]["Repository"].startswith("https://")
    comfy = project["tool"]["comfy"]
    assert comfy["PublisherId"] and comfy["DisplayName"] == "Sonic Studio"
    assert comfy["requires-comfyui"] == ">=0.3.64"
    for key in ("Icon", "Banner"):
        assert (ROOT / "docs" / "images" / comfy[key].rpartition("/")[2]).is_file()


def test_requirements_are_lower_bounds_and_the_same_everywhere(project: dict[str, Any]) -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = {line for line in lines if line and not line.startswith("#")}
    asked = set(project["project"]["dependencies"])
    assert listed == {line for line in asked if not line.startswith("torch")}
    for line in asked:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+>=[0-9.]+", line), f"{line} is more than a lower bound"


def test_what_is_left_out_of_the_pack_is_not_needed_by_it() -> None:
    ignored = [
        line.rstrip("/") for line in (ROOT / ".comfyignore").read_text().splitlines() if line[:1] not in ("", "#")
    ]
    assert not set(ignored) & {"nodes", "sonic_core", "web", "locales", "workflows", "__init__.py", "pyproject.toml"}
    assert {"tests", "training", "benchmarks", ".github"} <= set(ignored)


IMPORT = """
import socket, sys
sys.path.insert(0, {tools!r})
import stand_in
stand_in.start()
import torch.cuda
def refuse(*_, **__): raise AssertionError("the import of the pack touches the GPU or the network")
torch.cuda._lazy_init = torch.cuda.is_available = torch.cuda.device_count = refuse
socket.socket.connect = refuse
for name in ("torchaudio", "torchvision"): sys.modules[name] = None
stand_in.nodes()
heavy = {{"transformers", "diffusers", "librosa", "scipy.signal"}} & set(sys.modules)
assert not heavy, heavy
"""


def test_the_import_is_light(nodes: dict[str, Any]) -> None:
    """No GPU, no network, no heavy library; broken torchaudio and torchvision do not matter."""
    code = IMPORT.format(tools=str(ROOT / "tools"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_a_missing_package_is_named_with_what_to_run(nodes: dict[str, Any]) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'tools')!r}); import stand_in; stand_in.start()\n"
    code += "sys.modules['soxr'] = None; stand_in.load_pack()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    said = done.stderr.strip().splitlines()[-1]
    wanted = f"ImportError: Sonic Studio needs the Python package soxr; run pip install -r {ROOT / 'requirements.txt'} "
    assert said.startswith(wanted) and sys.executable in said


def test_a_neighbour_with_the_same_node_is_named_once(
    nodes: dict[str, Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nodes as core

    ours = nodes["SONIC_PreData"]
    neighbours = sys.modules[type(nodes["SonicLoadModel"]()).__module__.rpartition(".")[0] + ".neighbours"]
    theirs = SimpleNamespace(RELATIVE_PYTHON_MODULE="custom_nodes.ComfyUI_Sonic")
    monkeypatch.setattr(core, "NODE_CLASS_MAPPINGS", {"SONIC_PreData": theirs})
    monkeypatch.setattr(ours, "RELATIVE_PYTHON_MODULE", "custom_nodes.sonic-studio")
    with caplog.at_level(logging.WARNING):
        nodes["SonicLoadModel"].define_schema()
        nodes["SonicLoadModel"].define_schema()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert "ComfyUI_Sonic's answers" in lines[0] and "Disable" in lines[0]
    neighbours._said.clear()
    caplog.clear()
    monkeypatch.setattr(ours, "RELATIVE_PYTHON_MODULE", None)  # ours is being loaded, after the other
    with caplog.at_level(logging.WARNING):
        neighbours.say_if_replaced(ours)
    assert "Sonic Studio's answers" in caplog.text
