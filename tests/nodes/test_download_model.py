"""Sonic: Download Model: nothing without consent, nothing where the server forbids it, the rest with progress."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sonic_core.errors import ModelError
from sonic_core.weights import download as fetching
from sonic_core.weights.catalog import FILES, ModelFile


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that were downloaded: empty files in place of gigabytes."""
    paths: list[str] = []

    def download(file: ModelFile, folder: Path, source: str, on_bytes: Any) -> bool:
        paths.append(file.path)
        on_bytes(file.size, file.size)
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.path).write_bytes(b"{}")
        return True

    monkeypatch.setattr(fetching, "download", download)
    for name in ("SONIC_NO_DOWNLOADS", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**12))
    return paths


def run(nodes: dict[str, Any], accept: bool) -> str:
    return str(nodes["SonicDownloadModel"].execute(accept_licences=accept, source="huggingface").args[0])


def test_without_consent_it_lists_what_would_come(nodes: dict[str, Any], comfy: Any, fetched: list[str]) -> None:
    report = run(nodes, accept=False)
    assert fetched == []
    assert "unet.pth (6.3 GB), audio2token.pth (217 MB), audio2bucket.pth (87 MB): CC BY-NC-SA 4.0." in report
    assert "RIFE/flownet.pkl (12 MB, optional): MIT." in report
    assert report.endswith("8.2 GB to fetch: turn accept_licences on and run again.")


def test_with_consent_every_missing_file_comes(nodes: dict[str, Any], comfy: Any, fetched: list[str]) -> None:
    folder = Path(comfy.get_folder_paths("sonic")[0])
    (folder / "unet.pth").write_bytes(b"there")
    report = run(nodes, accept=True)
    assert fetched == [file.path for file in FILES if file.path != "unet.pth"]
    assert "Missing" not in report and "press R" in report
    assert (folder / "unet.pth").read_bytes() == b"there"


@pytest.mark.parametrize("name", ["SONIC_NO_DOWNLOADS", "HF_HUB_OFFLINE"])
def test_a_server_may_forbid_it(
    nodes: dict[str, Any], comfy: Any, fetched: list[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(ModelError, match=f"because {name} is set"):
        run(nodes, accept=True)
    assert fetched == []


def test_a_full_disk_is_said_first(
    nodes: dict[str, Any], comfy: Any, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    with pytest.raises(ModelError, match=r"need 8\.2 GB and .* has 1\.0 GB free"):
        run(nodes, accept=True)
    assert fetched == []
