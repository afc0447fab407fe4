"""Verifying finds what loading might not: wrong sums, broken archives, values out of all bounds."""

import json

import pytest
import torch
from safetensors.torch import save_file

from sonic_core.weights.catalog import FILES, Status
from sonic_core.weights.download import record_checksum
from sonic_core.weights.https_file import file_sha256
from sonic_core.weights.verify import verify

UNET = next(file for file in FILES if file.path == "unet.pth")
CONFIG = next(file for file in FILES if file.path == "whisper-tiny/config.json")


@pytest.fixture
def unet(tmp_path):
    path = tmp_path / "unet.pth"
    torch.save({"a": torch.randn(64, 64), "b": torch.zeros(64)}, path)
    return Status(UNET, path)


def test_a_whole_file_is_good(unet, tmp_path):
    assert verify(unet, tmp_path) is None
    record_checksum(tmp_path, "unet.pth", file_sha256(unet.found))
    assert verify(unet, tmp_path) is None


def test_another_sum_than_the_recorded_one(unet, tmp_path):
    record_checksum(tmp_path, "unet.pth", "0" * 64)
    assert "sha256" in verify(unet, tmp_path)


def test_one_changed_byte_in_the_archive(unet, tmp_path):
    content = bytearray(unet.found.read_bytes())
    content[len(content) // 2] ^= 1
    unet.found.write_bytes(content)
    assert "damaged" in verify(unet, tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite(unet, tmp_path, value):
    torch.save({"a": torch.full((4, 4), value)}, unet.found)
    assert "not finite" in verify(unet, tmp_path)


def test_a_damaged_shard_is_found(tmp_path):
    save_file({"a": torch.ones(4, 4)}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({"b": torch.zeros(4, 4)}, tmp_path / "model-00002-of-00002.safetensors")
    names = {key: f"model-0000{n}-of-00002.safetensors" for key, n in (("a", 1), ("b", 2))}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    status = Status(UNET, tmp_path / "model-00001-of-00002.safetensors")
    assert "'b' is zero throughout" in verify(status, tmp_path)


def test_a_broken_config(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("{")
    assert "cannot be read" in verify(Status(CONFIG, path), tmp_path)
    path.write_text("{}")
    assert verify(Status(CONFIG, path), tmp_path) is None
