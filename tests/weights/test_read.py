"""Tensors are read from every layout; nothing else is ever loaded."""

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sonic_core.errors import ModelError
from sonic_core.weights.read import load_into, preferred, read_some, read_tensors, tensor_names

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor([1, 2])}


def same(state):
    return state.keys() == STATE.keys() and all(torch.equal(state[k], STATE[k]) for k in STATE)


@pytest.mark.parametrize("zipped", [True, False])
def test_pth_in_both_layouts(tmp_path, zipped):
    path = tmp_path / "a.pth"
    torch.save(STATE, path, _use_new_zipfile_serialization=zipped)
    assert same(read_tensors(path))


def test_safetensors_and_parts_of_it(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file(STATE, path)
    assert same(read_tensors(path))
    assert sorted(tensor_names(path)) == ["a.weight", "b"]
    assert list(read_some(path, ["b"])) == ["b"]


def test_the_twin_comes_first(tmp_path):
    path = tmp_path / "a.pth"
    assert preferred(path) is None
    path.touch()
    assert preferred(path) == path
    path.with_suffix(".safetensors").touch()
    assert preferred(path) == tmp_path / "a.safetensors"


class Evil:
    def __reduce__(self):
        return (print, ("ran",))


def test_a_pickle_with_more_than_tensors_is_refused_and_does_not_run(tmp_path, capsys):
    path = tmp_path / "a.pth"
    with path.open("wb") as file:
        pickle.dump({"a": Evil()}, file)
    with pytest.raises(ModelError, match=r"a\.pth"):
        read_tensors(path)
    torch.save({"a": Evil()}, path)
    with pytest.raises(ModelError, match="more than tensors"):
        read_tensors(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04broken"])
def test_damaged_files_are_named(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match=name):
        read_tensors(path)


def test_a_list_is_no_state_dict(tmp_path):
    path = tmp_path / "a.pth"
    torch.save([1, 2], path)
    with pytest.raises(ModelError, match="not a plain state dict"):
        read_tensors(path)


def test_loading_names_what_does_not_fit():
    with torch.device("meta"):
        network = nn.Linear(2, 3)
    weight, bias = torch.ones(3, 2), torch.ones(3)
    with pytest.raises(ModelError, match="1 tensors are missing and 0 unknown, the first is 'bias'"):
        load_into(network, {"weight": weight}, "x.pth")
    with pytest.raises(ModelError, match="0 tensors are missing and 1 unknown, the first is 'more'"):
        load_into(network, {"weight": weight, "bias": bias, "more": bias}, "x.pth")
    with pytest.raises(ModelError, match=r"'weight' is \(2, 2\) instead of \(3, 2\)"):
        load_into(network, {"weight": torch.ones(2, 2), "bias": bias}, "x.pth")
    load_into(network, {"weight": weight, "bias": bias}, "x.pth")
    assert network.weight.data_ptr() == weight.data_ptr()
    assert not network.weight.requires_grad
