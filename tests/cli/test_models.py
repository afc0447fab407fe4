"""`models` lists, downloads and converts."""

import argparse
import json

import pytest
import torch

from sonic_core.cli import models
from sonic_core.errors import ModelError
from sonic_core.weights.convert import convert, convertible
from sonic_core.weights.read import read_tensors


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    models.add_parser(parser.add_subparsers())
    args = parser.parse_args(["models", *words])
    return args.run(args)


def test_the_list_names_what_is_missing(tmp_path, capsys):
    assert run("--folder", str(tmp_path)) == 2
    out = capsys.readouterr().out
    assert f"MISSING    6.3 GB  the video UNet          CC BY-NC-SA 4.0                  {tmp_path / 'unet.pth'}" in out
    assert "absent " in out  # RIFE is not needed
    assert "models download --folder" in out


def test_the_list_as_json(tmp_path, capsys):
    (tmp_path / "unet.pth").write_bytes(b"12345")
    run("--folder", str(tmp_path), "--json")
    row = json.loads(capsys.readouterr().out)[0]
    assert (row["file"], row["found"], row["bytes"]) == ("unet.pth", str(tmp_path / "unet.pth"), 5)


@pytest.mark.parametrize("words", [("--folder", "{}", "download"), ("download", "--folder", "{}")])
def test_download_fetches_only_what_is_missing(tmp_path, monkeypatch, words):
    from sonic_core.weights import download

    folder = tmp_path / "models" / "sonic"
    folder.mkdir(parents=True)
    fetched = []
    monkeypatch.setattr(download, "download", lambda file, folder, source: fetched.append((file.path, source)) or True)
    (folder / "unet.pth").touch()
    assert run(*(word.format(folder) for word in words)) == 0
    assert ("unet.pth", "huggingface") not in fetched
    assert ("audio2token.pth", "huggingface") in fetched
    assert len(fetched) == 9
    run("download", "--folder", str(folder), "--source", "modelscope")
    assert fetched[-1][1] == "modelscope"


def test_verify_reads_every_file(tmp_path, capsys):
    folder = tmp_path / "models" / "sonic"
    folder.mkdir(parents=True)
    torch.save({"a": torch.randn(100, 100)}, folder / "unet.pth")
    torch.save({"a": torch.zeros(100, 100)}, folder / "audio2token.pth")
    assert run("verify", "--folder", str(folder)) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"ok       {folder / 'unet.pth'}"
    assert lines[1].startswith(f"DAMAGED  {folder / 'audio2token.pth'}: ")
    assert "'a' is zero throughout" in lines[1]
    assert lines[2].startswith("MISSING")


def test_convert_writes_twins(tmp_path, capsys):
    shared = torch.arange(8.0)
    torch.save({"a": shared[:4], "b": shared[4:].view(2, 2).T, "n": torch.tensor([1])}, tmp_path / "unet.pth")
    assert run("convert", "--folder", str(tmp_path), "--half") == 0
    twin = read_tensors(tmp_path / "unet.safetensors")
    assert twin["a"].tolist() == [0, 1, 2, 3]
    assert twin["b"].tolist() == [[4, 6], [5, 7]]
    assert (twin["a"].dtype, twin["n"].dtype) == (torch.float16, torch.int64)
    assert convertible(tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["unet.pth", "unet.safetensors"]


def test_convert_keeps_the_dtype(tmp_path):
    torch.save({"a": torch.ones(2, dtype=torch.float64)}, tmp_path / "a.pth")
    assert read_tensors(convert(tmp_path / "a.pth"))["a"].dtype == torch.float64


def test_convert_says_why_it_cannot_write(tmp_path, monkeypatch):
    torch.save({"a": torch.ones(2)}, tmp_path / "a.pth")
    monkeypatch.setattr("sonic_core.weights.convert.twin", lambda path: tmp_path / "gone" / "a.safetensors")
    with pytest.raises(ModelError, match=r"gone/a\.safetensors cannot be written .*; free space"):
        convert(tmp_path / "a.pth")
