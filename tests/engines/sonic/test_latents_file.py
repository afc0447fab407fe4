"""Latents are found by what made them, and nothing else is."""

import os
import time
from pathlib import Path

import torch

from sonic_core.engines.sonic.latents_file import MAX_AGE_SECONDS, LatentsFolder, digest


def test_comes_back_as_saved(tmp_path):
    folder = LatentsFolder(tmp_path / "new")
    latents = torch.randn(3, 4, 2, 2)
    assert folder.load("run") is None
    folder.save("run", latents)
    assert torch.equal(folder.load("run"), latents)
    assert [path.name for path in folder.folder.iterdir()] == ["run.safetensors"]
    folder.remove("run")
    folder.remove("run")
    assert folder.load("run") is None


def test_a_damaged_file_is_no_file(tmp_path):
    (tmp_path / "run.safetensors").write_bytes(b"nothing")
    assert LatentsFolder(tmp_path).load("run") is None


def test_old_files_go(tmp_path):
    folder = LatentsFolder(tmp_path)
    folder.save("old", torch.zeros(1))
    past = time.time() - MAX_AGE_SECONDS - 60
    os.utime(tmp_path / "old.safetensors", (past, past))
    folder.save("new", torch.zeros(1))
    assert [path.stem for path in tmp_path.iterdir()] == ["new"]


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    LatentsFolder(tmp_path / "file" / "below").save("run", torch.zeros(1))
    assert "could not be kept" in caplog.text


def test_a_disk_that_fails_while_writing_costs_nothing(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(Path, "mkdir", lambda self, **options: None)
    LatentsFolder(tmp_path / "gone").save("run", torch.ones(2))  # safetensors has an error of its own for this
    assert "could not be kept" in caplog.text


def test_the_digest_sees_every_difference():
    tensors = {"a": torch.zeros(2, 3)}
    names = {
        digest(tensors, "x"),
        digest(tensors, "y"),
        digest({"b": torch.zeros(2, 3)}, "x"),
        digest({"a": torch.zeros(3, 2)}, "x"),
        digest({"a": torch.ones(2, 3)}, "x"),
    }
    assert len(names) == 5
    assert digest({"a": torch.zeros(2, 3)}, "x") in names
