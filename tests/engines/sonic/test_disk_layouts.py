"""Model files as they lie on users' disks: what is plainly usable is loaded, what is damaged is refused by name."""

import json
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


def lightning(folder: Path) -> None:
    """A checkpoint of PyTorch Lightning: more modules, the averaged weights beside the others, what it was run with."""

    def checkpoint(state):
        averaged = {f"model_ema.{name}": value for name, value in state.items()}
        others = {f"model.{name}": value + 1 for name, value in state.items()}
        return {
            "state_dict": {**others, **averaged, "loss.weight": torch.ones(3)},
            "hyper_parameters": {"lr": 1e-4, "betas": (0.9, 0.999), "name": "sonic"},
            "pytorch-lightning_version": "2.4.0",
            "optimizer_states": [{"step": torch.tensor(5.0)}],
        }

    change(folder / "unet.pth", checkpoint)


def averaged_beside(folder: Path) -> None:
    change(
        folder / "unet.pth",
        lambda s: {"params": {k: v + 1 for k, v in s.items()}, "params_ema": s, "ema": {"decay": torch.tensor(0.99)}},
    )


def other_content(folder: Path) -> None:
    """Files whose suffix says one layout and whose bytes are the other, as after a rename."""
    state = torch.load(folder / "unet.pth", weights_only=True)
    save_file({name: value.contiguous() for name, value in state.items()}, folder / "unet.pth")
    weights = folder / "svd" / "image_encoder" / "model.safetensors"
    state = {name: value.clone() for name, value in load_file(weights).items()}  # not mapped from what is written over
    torch.save(state, weights)


def older_layout(folder: Path) -> None:
    """As torch wrote files before 1.6."""
    for name in ("unet.pth", "audio2token.pth"):
        state = torch.load(folder / name, weights_only=True)
        torch.save(state, folder / name, _use_new_zipfile_serialization=False)


def windows_index(folder: Path) -> None:
    """Shards whose index was written on Windows, by hand, with a byte order mark."""
    part = folder / "svd" / "image_encoder"
    state = load_file(part / "model.safetensors")
    (part / "model.safetensors").unlink()
    names = sorted(state)
    shards = {f"model-0000{n + 1}-of-00002.safetensors": chosen for n, chosen in enumerate((names[::2], names[1::2]))}
    for shard, chosen in shards.items():
        save_file({name: state[name] for name in chosen}, part / shard)
    places = {name: f"C:\\models\\image_encoder\\{shard}" for shard, chosen in shards.items() for name in chosen}
    (part / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}), encoding="utf-8-sig")
    (part / "config.json").write_text((part / "config.json").read_text(), encoding="utf-8-sig")


USABLE = {
    "a Lightning checkpoint": lightning,
    "averaged weights beside the others": averaged_beside,
    "a suffix that is not the content's": other_content,
    "pickles before torch 1.6": older_layout,
    "an index of shards from Windows": windows_index,
    "two files: the exact name counts": lambda f: torch.save({"x": torch.ones(2, 2)}, f / "unet_fp16.pth"),
    "an unfinished download beside": lambda f: (f / "audio2token.pth.part").write_bytes(b"PK"),
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


def test_bfloat16_and_float64_make_the_same_kind_of_network(folder, engine):
    for file, dtype in (("unet.pth", torch.float64), ("audio2token.pth", torch.bfloat16)):
        change(folder / file, lambda s, dtype=dtype: {name: value.to(dtype) for name, value in s.items()})
    loaded = load(folder)
    assert torch.equal(loaded.net.unet.conv_in.weight, engine.net.unet.conv_in.weight)
    assert {p.dtype for p in (*loaded.net.unet.parameters(), *loaded.net.tokens.parameters())} == {torch.float32}


def test_any_characters_in_the_path_and_a_folder_that_is_not_written_to(folder, tmp_path, monkeypatch):
    place = Path(shutil.move(folder, tmp_path / "我的 模型 (1)" / "Sonic – été"))
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    monkeypatch.setattr(Path, "write_text", None)
    monkeypatch.setattr(Path, "mkdir", None)
    assert load(place).name == "sonic"
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before


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


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 6303000000\n"
UNET, VAE = "unet.pth", "svd/vae/diffusion_pytorch_model.safetensors"


class Namespace:
    """Stands for the settings object of a trainer, which a checkpoint may hold."""


def written(path: str, content: bytes):
    return lambda folder: (folder / path).write_bytes(content)


def half_a_download(folder: Path) -> None:
    (folder / "unet.pth").rename(folder / "unet.pth.crdownload")


def lacking_shard(folder: Path) -> None:
    part = folder / "svd" / "vae"
    (part / "diffusion_pytorch_model.safetensors").unlink()
    index = {"weight_map": {"a": "x-00001-of-00002.safetensors", "b": "x-00002-of-00002.safetensors"}}
    (part / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))


def dangling(folder: Path) -> None:
    """A cache whose blob is gone."""
    (folder / "unet.pth").unlink()
    (folder / "unet.pth").symlink_to(folder / "blobs" / "4d7a2146")


DAMAGED = {
    "a web page": (
        written(UNET, b"\n<!DOCTYPE html><title>Sign in</title>"),
        r"unet\.pth is a web page .* download it",
    ),
    "a web page for safetensors": (written(VAE, b"<html>"), r"model\.safetensors is a web page"),
    "an error of a server": (written(UNET, b'{"error":"Entry not found"}'), "is a message that a server sent"),
    "a Git LFS pointer": (written(UNET, LFS), r"unet\.pth is a Git LFS pointer .*git lfs pull"),
    "a Git LFS pointer for the VAE": (written(VAE, LFS), "is a Git LFS pointer"),
    "an empty file": (written(UNET, b""), r"unet\.pth is empty"),
    "room that was only reserved": (written(UNET, bytes(10_000)), "begins with zeros"),
    "an archive": (written(UNET, b"Rar!\x1a\x07"), "RAR archive; unpack it"),
    "half a download": (half_a_download, r"missing \(unet\.pth\.crdownload is an unfinished"),
    "a link to nothing": (dangling, r"unet\.pth is missing"),
    "an index with a missing shard": (lacking_shard, r"lacks x-00001-of-00002\.safetensors of 2"),
    "safetensors without tensors": (
        lambda f: save_file({}, f / "unet.safetensors", metadata={"format": "pt"}) or (f / UNET).unlink(),
        "holds no tensors",
    ),
    "a settings object in a checkpoint": (
        lambda f: change(f / UNET, lambda s: {"state_dict": s, "hyper_parameters": Namespace()}),
        r"holds more than tensors \(.*Namespace\).*save its state dict by itself",
    ),
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
