"""Model files as they lie on users' disks: what is plainly usable is loaded, what is damaged is refused by name."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sonic_core.engines import sonic
from sonic_core.errors import ModelError


@pytest.fixture
def folder(model_folder, tmp_path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(model_folder, tmp_path / "checkpoints" / "Sonic"))


def load(folder: Path):
    return sonic.load(folder, "cpu", latents_folder=None)


def change(path: Path, changed) -> None:
    torch.save(changed(torch.load(path, weights_only=True)), path)


def old_attention(folder: Path) -> None:
    """The VAE as diffusers before 0.18 wrote it: other names, and 1x1 convolutions."""
    path = folder / "svd" / "vae" / "diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = {}
    for name, tensor in load_file(path).items():
        for new, was in old.items():
            if f"attentions.0.{new}." in name:
                name = name.replace(f".{new}.", f".{was}.")
                tensor = tensor[:, :, None, None] if tensor.ndim == 2 else tensor
        state[name] = tensor.contiguous()
    save_file(state, path)


def cut_twin(folder: Path) -> None:
    twin = folder / "unet.safetensors"
    save_file({"a": torch.ones(2)}, twin)
    twin.write_bytes(twin.read_bytes()[:-3])


USABLE = {
    "state_dict": lambda f: change(f / "unet.pth", lambda s: {"state_dict": s, "global_step": 7}),
    "module.": lambda f: change(f / "unet.pth", lambda s: {f"module.{k}": v for k, v in s.items()}),
    "one extra key": lambda f: change(f / "unet.pth", lambda s: {**s, "ema.decay": torch.tensor(0.99)}),
    "module. in audio2token": lambda f: change(
        f / "audio2token.pth", lambda s: {f"module.{k}": v for k, v in s.items()}
    ),
    "extra in audio2bucket": lambda f: change(f / "audio2bucket.pth", lambda s: {**s, "extra": torch.ones(3)}),
    "old VAE attention": old_attention,
    "a damaged twin": cut_twin,
}


@pytest.mark.parametrize("name", USABLE)
def test_usable_files_are_loaded(folder, engine, name):
    USABLE[name](folder)
    loaded = load(folder)
    for network in ("unet", "vae", "tokens", "buckets"):
        ours, theirs = (getattr(e.net, network).state_dict() for e in (loaded, engine))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), network


@pytest.mark.parametrize("above", ["checkpoints", "cache"])
def test_the_folder_above_is_loaded(folder, above):
    if above == "cache":
        snapshot = folder.parents[1] / "cache" / "models--LeonJoe13--Sonic" / "snapshots" / "c0ffee"
        shutil.copytree(folder, snapshot / "Sonic")
    assert load(folder.parents[1] / above).name == "sonic"


def zeros_in_the_file(folder: Path) -> None:
    path = folder / "unet.pth"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200_000] = bytes(200_000)
    path.write_bytes(content)


DAMAGED = {
    "zeros in the file": (zeros_in_the_file, "unet.pth"),
    "a tensor of zeros": (
        lambda f: change(f / "unet.pth", lambda s: {**s, "conv_in.weight": torch.zeros_like(s["conv_in.weight"])}),
        "'conv_in.weight' is zero throughout",
    ),
    "not a number": (
        lambda f: change(f / "audio2token.pth", lambda s: {**s, "proj1.bias": s["proj1.bias"] * float("nan")}),
        "'proj1.bias' has values that are not finite",
    ),
    "a missing tensor": (
        lambda f: change(f / "unet.pth", lambda s: {k: v for k, v in s.items() if k != "conv_out.bias"}),
        "'conv_out.bias'",
    ),
    "cut off": (lambda f: (f / "unet.pth").write_bytes((f / "unet.pth").read_bytes()[:-5000]), "unet.pth"),
    "another model": (lambda f: change(f / "unet.pth", lambda s: {"x": torch.ones(3, 3)}), "tensors are missing"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_refused_by_name(folder, name):
    damage, text = DAMAGED[name]
    damage(folder)
    with pytest.raises(ModelError, match=text):
        load(folder)
