"""The weights of a network in one file, in half precision, or in shards."""

import json

import pytest
import torch
from safetensors.torch import save_file

from sonic_core.errors import ModelError
from sonic_core.weights.parts import find_weights, read_part_weights

STATE = {name: torch.full((2, 2), value) for name, value in (("a", 1.0), ("b", 2.0), ("c", 3.0))}


def shards(folder, suffix="safetensors", variant=""):
    """Two files and their index, as transformers writes them."""
    folder.mkdir(exist_ok=True)
    stem = "model" if suffix == "safetensors" else "pytorch_model"
    names = [f"{stem}{variant}-0000{k}-of-00002.{suffix}" for k in (1, 2)]
    parts = [{"a": STATE["a"]}, {"b": STATE["b"], "c": STATE["c"]}]
    for name, part in zip(names, parts, strict=True):
        (save_file if suffix == "safetensors" else torch.save)(part, folder / name)
    index = {"weight_map": {key: name for name, part in zip(names, parts, strict=True) for key in part}}
    (folder / f"{stem}.{suffix}.index{variant}.json").write_text(json.dumps(index))
    return names


@pytest.mark.parametrize(("suffix", "variant"), [("safetensors", ""), ("safetensors", ".fp16"), ("bin", "")])
def test_shards_are_read_as_one(tmp_path, suffix, variant):
    shards(tmp_path, suffix, variant)
    state = read_part_weights(tmp_path)
    assert sorted(state) == ["a", "b", "c"]
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)


def test_one_file_comes_before_shards_and_safetensors_before_bin(tmp_path):
    shards(tmp_path)
    torch.save(STATE, tmp_path / "pytorch_model.bin")
    save_file(STATE, tmp_path / "model.fp16.safetensors")
    assert len(find_weights(tmp_path)) == 2
    save_file(STATE, tmp_path / "model.safetensors")
    assert find_weights(tmp_path) == [tmp_path / "model.safetensors"]


def test_a_missing_shard_is_named(tmp_path):
    names = shards(tmp_path)
    (tmp_path / names[1]).unlink()
    with pytest.raises(ModelError, match=r"lacks model-00002-of-00002\.safetensors"):
        read_part_weights(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read as JSON"),
        ("[]", "not an index"),
        ("{}", "not an index"),
        ('{"weight_map": 3}', "not an index"),
    ],
)
def test_a_broken_index_is_named(tmp_path, text, said):
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(ModelError, match=rf"index\.json .*{said}"):
        read_part_weights(tmp_path)


def test_an_index_cannot_point_out_of_its_folder(tmp_path):
    save_file(STATE, tmp_path / "secret.safetensors")
    inside = tmp_path / "part"
    inside.mkdir()
    index = {"weight_map": {"a": "../secret.safetensors"}}
    (inside / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"lacks secret\.safetensors"):
        read_part_weights(inside)


def test_an_empty_folder_has_none(tmp_path):
    with pytest.raises(ModelError, match="holds no weights"):
        read_part_weights(tmp_path)


def test_shards_without_their_index_are_read_when_all_are_there(tmp_path):
    names = shards(tmp_path)
    (tmp_path / "model.safetensors.index.json").unlink()
    assert sorted(read_part_weights(tmp_path)) == ["a", "b", "c"]
    (tmp_path / names[0]).unlink()
    with pytest.raises(ModelError, match="has 1 of 2 weight files"):
        read_part_weights(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "zeros", "a missing shard"])
def test_a_damaged_file_is_passed_over_for_a_whole_one(tmp_path, damage):
    torch.save(STATE, tmp_path / "pytorch_model.bin")
    if damage == "a missing shard":
        (tmp_path / shards(tmp_path)[0]).unlink()
    else:
        path = tmp_path / "model.safetensors"
        save_file({**STATE, "b": torch.zeros(2, 2)} if damage == "zeros" else STATE, path)
        path.write_bytes(path.read_bytes()[: -5 if damage == "cut" else None])
    state = read_part_weights(tmp_path)
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)
