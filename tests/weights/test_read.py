"""Tensors are read from every layout; nothing else is ever loaded."""

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sonic_core.errors import ModelError
from sonic_core.weights.read import check_values, load_into, preferred, read_some, read_tensors, tensor_names

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
    with pytest.raises(ModelError, match="not a state dict"):
        read_tensors(path)


def test_loading_names_what_does_not_fit():
    with torch.device("meta"):
        network = nn.Linear(2, 3)
    weight, bias = torch.ones(3, 2), torch.ones(3)
    with pytest.raises(ModelError, match="1 tensors are missing and 0 unknown, the first missing is 'bias'"):
        load_into(network, {"weight": weight}, "x.pth")
    with pytest.raises(ModelError, match=r"'weight' is \(2, 2\) instead of \(3, 2\)"):
        load_into(network, {"weight": torch.ones(2, 2), "bias": bias}, "x.pth")
    load_into(network, {"weight": weight, "bias": bias}, "x.pth")
    assert network.weight.data_ptr() == weight.data_ptr()
    assert not network.weight.requires_grad


def test_tensors_of_other_names_are_left_out():
    with torch.device("meta"):
        network = nn.Linear(2, 3)
    load_into(network, {"weight": torch.ones(3, 2), "bias": torch.ones(3), "more": torch.ones(1)}, "x.pth")
    assert sorted(network.state_dict()) == ["bias", "weight"]


WRAPPED = {
    "state_dict": {"state_dict": STATE, "epoch": 3},
    "two wrappers": {"model": {"state_dict": STATE}},
    "module.": {f"module.{name}": value for name, value in STATE.items()},
    "compiled": {f"module._orig_mod.{name}": value for name, value in STATE.items()},
    "a trainer's name": {f"model.{name}": value for name, value in STATE.items()},
    "two prefixes": {f"unet.module.{name}": value for name, value in STATE.items()},
    "a number among the tensors": {**STATE, "step": 100},
}


@pytest.mark.parametrize("name", WRAPPED)
def test_what_frameworks_add_is_taken_off(tmp_path, name):
    torch.save(WRAPPED[name], tmp_path / "a.pth")
    assert same(read_tensors(tmp_path / "a.pth"))


def test_a_prefix_is_taken_off_in_safetensors_too(tmp_path):
    save_file({f"module.{name}": value for name, value in STATE.items()}, tmp_path / "a.safetensors")
    assert same(read_tensors(tmp_path / "a.safetensors"))


@pytest.mark.parametrize("damage", ["cut", "header", "zeros"])
def test_a_damaged_twin_is_passed_over_for_the_whole_pth(tmp_path, damage):
    twin = tmp_path / "a.safetensors"
    torch.save(STATE, tmp_path / "a.pth")
    save_file(STATE if damage != "zeros" else {**STATE, "a.weight": torch.zeros(2, 3)}, twin)
    content = twin.read_bytes()
    if damage == "cut":
        twin.write_bytes(content[:-5])
    elif damage == "header":
        twin.write_bytes(b"\0" * 16 + content[16:])
    assert same(read_tensors(twin))
    (tmp_path / "a.pth").unlink()
    if damage != "zeros":
        with pytest.raises(ModelError, match=r"a\.safetensors"):
            read_tensors(twin)


def damaged(change):
    weight = torch.randn(200, 100)
    change(weight)
    return {"weight": weight, "bias": torch.zeros(200)}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda w: w.zero_(), "zero throughout"),
        (lambda w: w[50:72].zero_(), "zero for 1024 values in a row"),
        (lambda w: w[3, 4].fill_(float("nan")), "not finite"),
        (lambda w: w[3, 4].fill_(float("inf")), "not finite"),
    ],
)
def test_values_no_training_leaves_behind_are_refused(change, text):
    with torch.device("meta"):
        network = nn.Linear(100, 200)
    load_into(network, damaged(lambda weight: weight[:10].zero_()), "x.pth")  # some zeros are no fault
    with torch.device("meta"):
        network = nn.Linear(100, 200)
    with pytest.raises(ModelError, match=rf"x\.pth is damaged: 'weight' .*{text}"):
        load_into(network, damaged(change), "x.pth")


@pytest.mark.parametrize(
    "name",
    ["unet.safetensors", "unet.pth", "unet.pt", "unet.fp16.safetensors", "unet_bf16.safetensors", "unet-fp32.pth"],
)
def test_files_are_found_under_usual_other_names(tmp_path, name):
    (tmp_path / "unet_old.pth").touch()
    assert preferred(tmp_path / "unet.pth") is None
    (tmp_path / name).touch()
    assert preferred(tmp_path / "unet.pth") == tmp_path / name


def test_float8_values_are_looked_at_too():
    values = torch.randn(8, 8).to(torch.float8_e4m3fn)
    check_values({"weight": values}, "x")
    with pytest.raises(ModelError, match="zero throughout"):
        check_values({"weight": torch.zeros_like(values)}, "x")
