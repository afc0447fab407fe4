"""Files are found where users have them, and what is missing is named with its place."""

import json
from pathlib import Path

import pytest

from sonic_core.errors import ModelError
from sonic_core.weights.catalog import model_status
from sonic_core.weights.folder import audio_encoder, find_files


def touch(path: Path, text: str = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def released(models: Path) -> Path:
    """The released layout below ComfyUI's models folder, without SVD."""
    for name in ("unet.pth", "audio2token.pth", "audio2bucket.pth", "RIFE/flownet.pkl"):
        touch(models / "sonic" / name)
    touch(models / "sonic" / "whisper-tiny" / "config.json")
    touch(models / "sonic" / "whisper-tiny" / "model.safetensors")
    return models / "sonic"


def svd_folder(path: Path) -> Path:
    for part, file in (("vae", "diffusion_pytorch_model.safetensors"), ("image_encoder", "model.safetensors")):
        touch(path / part / "config.json")
        touch(path / part / file)
    return path


def test_the_released_layout(tmp_path):
    folder = released(tmp_path)
    found = find_files(folder)
    assert all(found.networks.values())
    assert found.rife == folder / "RIFE" / "flownet.pkl"
    assert found.speech == folder / "whisper-tiny"
    assert found.svd is None
    assert found.config is None


@pytest.mark.parametrize(
    "place", ["sonic/svd_xt.safetensors", "checkpoints/svd_xt_1_1.safetensors", "checkpoints/video/svd_xt.safetensors"]
)
def test_a_single_svd_file_is_found(tmp_path, place):
    folder = released(tmp_path)
    path = touch(tmp_path / place)
    assert find_files(folder).svd == path


@pytest.mark.parametrize("place", ["sonic", "sonic/svd", "stable-video-diffusion-img2vid-xt", "diffusers/svd-xt"])
def test_a_diffusers_folder_is_found_before_a_file(tmp_path, place):
    folder = released(tmp_path)
    touch(tmp_path / "checkpoints" / "svd_xt.safetensors")
    path = svd_folder(tmp_path / place)
    assert find_files(folder).svd == path


def test_a_path_given_by_hand_comes_first(tmp_path):
    folder = released(tmp_path)
    svd_folder(tmp_path / "sonic" / "svd")
    path = touch(tmp_path / "elsewhere" / "svd_xt.safetensors")
    assert find_files(folder, path).svd == path
    with pytest.raises(ModelError, match="nowhere"):
        find_files(folder, tmp_path / "nowhere")


def test_whisper_and_rife_may_lie_beside_the_folder(tmp_path):
    touch(tmp_path / "whisper-tiny" / "config.json")
    touch(tmp_path / "RIFE" / "flownet.pkl")
    found = find_files(tmp_path / "Sonic")
    assert found.speech == tmp_path / "whisper-tiny"
    assert found.rife == tmp_path / "RIFE" / "flownet.pkl"


def test_a_bundle_may_name_hubert(tmp_path):
    assert audio_encoder(tmp_path) == "whisper"
    touch(tmp_path / "bundle.json", json.dumps({"audio_encoder": "hubert"}))
    touch(tmp_path / "hubert" / "config.json")
    assert find_files(tmp_path).speech == tmp_path / "hubert"
    touch(tmp_path / "bundle.json", json.dumps({"audio_encoder": "wavlm"}))
    with pytest.raises(ModelError, match="wavlm"):
        audio_encoder(tmp_path)
    touch(tmp_path / "bundle.json", "[]")
    with pytest.raises(ModelError, match=r"bundle\.json"):
        audio_encoder(tmp_path)


def test_the_list_knows_what_is_there(tmp_path):
    folder = released(tmp_path)
    missing = [status.file.path for status in model_status(folder) if status.found is None]
    assert len(missing) == 4
    assert all("stable-video-diffusion" in path for path in missing)
    svd_folder(tmp_path / "sonic" / "svd")
    assert all(status.found for status in model_status(folder))
    (folder / "unet.pth").rename(folder / "unet.safetensors")
    assert all(status.found for status in model_status(folder))
    (folder / "unet.safetensors").unlink()
    assert [status.file.path for status in model_status(folder) if status.found is None] == ["unet.pth"]


def test_an_empty_folder_lacks_everything(tmp_path):
    assert all(status.found is None for status in model_status(tmp_path / "nowhere"))
