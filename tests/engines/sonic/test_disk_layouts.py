"""Model files as they lie on users' disks: what is plainly usable is loaded, what is damaged is refused by name."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sonic_core.engines import load_engine, sonic
from sonic_core.errors import ModelError
from sonic_core.settings import Settings


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


def linked(folder: Path) -> None:
    """Files elsewhere under names of no meaning, as a cache keeps them."""
    blobs = folder.parents[1] / "blobs"
    blobs.mkdir()
    for number, path in enumerate(sorted(path for path in folder.rglob("*.*") if path.is_file())):
        path.rename(blobs / f"{number:032x}")
        path.symlink_to(blobs / f"{number:032x}")


def damaged_vae(folder: Path) -> None:
    """The safetensors is cut off, the `.bin` beside it is whole."""
    path = folder / "svd" / "vae" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(path), path.with_suffix(".bin"))
    path.write_bytes(path.read_bytes()[:-9])


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
    "unet. before all names": lambda f: change(f / "unet.pth", lambda s: {f"unet.{k}": v for k, v in s.items()}),
    "a list of epochs beside": lambda f: change(f / "unet.pth", lambda s: {"model": {"state_dict": s}, "epochs": [1]}),
    "another suffix": lambda f: (f / "unet.pth").rename(f / "unet.ckpt"),
    "a precision in the name": lambda f: (f / "audio2token.pth").rename(f / "audio2token_fp32.pt"),
    "symbolic links": linked,
    "a damaged VAE twin": damaged_vae,
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


@pytest.mark.parametrize("file", ["unet.pth", "audio2token.pth", "audio2bucket.pth", "flownet.pkl"])
def test_files_of_mixed_precision_make_a_clip(folder, portrait, speech, file):
    kinds = (torch.float16, torch.bfloat16, torch.float32)

    def mixed(state):
        return {name: value.to(kinds[number % 3]) for number, (name, value) in enumerate(state.items())}

    change(next(folder.rglob(file)), mixed)
    engine, settings = load(folder), Settings(inference_steps=1)
    latents = engine.sample(engine.condition(portrait, speech, settings), settings)
    assert np.isfinite(np.concatenate(list(engine.decode(latents, settings).chunks()))).all()


def test_a_file_stands_for_its_folder(folder):
    assert load_engine(folder / "unet.pth", torch.device("cpu"), latents_folder=None).name == "sonic"


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
