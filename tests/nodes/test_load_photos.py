from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sonic_core.errors import InputError


@pytest.fixture
def folder(comfy: Any, tmp_path: Path) -> str:
    """Two photos of different sizes and a text in a folder of the input folder."""
    place = tmp_path / "input" / "team"
    place.mkdir()
    Image.new("RGB", (64, 96), "red").save(place / "b.png")
    Image.new("RGB", (80, 40), "blue").save(place / "a.jpg")
    (place / "notes.txt").write_text("no photo")
    return "team"


def run(nodes: dict[str, Any], folder: str, first: int = 0, count: int = 0) -> tuple[list[Any], list[str]]:
    images, names = nodes["SonicLoadPhotos"].execute(folder=folder, first=first, count=count).args
    return images, names


def test_photos_come_by_name_in_their_own_sizes(nodes: dict[str, Any], folder: str) -> None:
    images, names = run(nodes, folder)
    assert names == ["a", "b"]
    assert [tuple(image.shape) for image in images] == [(1, 40, 80, 3), (1, 96, 64, 3)]


def test_some_of_them(nodes: dict[str, Any], folder: str) -> None:
    assert run(nodes, folder, first=1)[1] == ["b"]
    assert run(nodes, folder, count=1)[1] == ["a"]


def test_none_is_said(nodes: dict[str, Any], folder: str) -> None:
    with pytest.raises(InputError, match="has no photo from number 5 on"):
        run(nodes, folder, first=5)


@pytest.mark.parametrize("name", ["..", "../models", "/etc", "gone", "team/../.."])
def test_only_folders_of_the_input_folder_are_read(nodes: dict[str, Any], folder: str, name: str) -> None:
    assert "not in ComfyUI's input folder" in str(nodes["SonicLoadPhotos"].validate_inputs(folder=name))
    with pytest.raises(InputError):
        run(nodes, name)


def test_a_changed_photo_is_loaded_again(nodes: dict[str, Any], folder: str, tmp_path: Path) -> None:
    before = nodes["SonicLoadPhotos"].fingerprint_inputs(folder=folder)
    Image.new("RGB", (64, 96), "green").save(tmp_path / "input" / "team" / "c.png")
    assert nodes["SonicLoadPhotos"].fingerprint_inputs(folder=folder) != before
