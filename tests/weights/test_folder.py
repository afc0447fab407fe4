"""Files are found where users have them, and what is missing is named with its place."""

import json
import os
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


def snapshot(cache: Path, repository: str, commit: str = "0123abcd") -> Path:
    """A repository in a Hugging Face cache, with `refs/main` on its one snapshot."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    touch(folder / "refs" / "main", commit)
    (folder / "snapshots" / commit).mkdir(parents=True)
    return folder / "snapshots" / commit


def test_the_folder_one_level_up(tmp_path):
    folder = released(tmp_path)
    for name in ("RIFE", "whisper-tiny"):  # as in the release's own checkpoints/
        (folder / name).rename(tmp_path / name)
    path = svd_folder(tmp_path / "stable-video-diffusion-img2vid-xt")
    found = find_files(tmp_path)
    assert found.folder == folder
    assert all(found.networks.values())
    assert (found.rife, found.speech) == (tmp_path / "RIFE" / "flownet.pkl", tmp_path / "whisper-tiny")
    assert found.svd == path


def cached(cache: Path) -> tuple[Path, Path, Path]:
    """The three repositories of a model in a cache."""
    sonic = snapshot(cache, "LeonJoe13/Sonic")
    for name in ("unet.pth", "audio2token.pth", "audio2bucket.pth"):
        touch(sonic / "Sonic" / name)
    touch(sonic / "RIFE" / "flownet.pkl")
    whisper = snapshot(cache, "openai/whisper-tiny")
    touch(whisper / "config.json")
    touch(whisper / "model.safetensors")
    return sonic, whisper, svd_folder(snapshot(cache, "stabilityai/stable-video-diffusion-img2vid-xt"))


@pytest.mark.parametrize("place", ["hub", ".", "hub/models--LeonJoe13--Sonic", "the snapshot", "its folder Sonic"])
def test_a_hugging_face_cache(tmp_path, place):
    sonic, whisper, svd = cached(tmp_path / "hub")
    given = {"the snapshot": sonic, "its folder Sonic": sonic / "Sonic"}.get(place, tmp_path / place)
    found = find_files(given)
    assert found.folder == sonic / "Sonic"
    assert all(found.networks.values())
    assert (found.speech, found.rife, found.svd) == (whisper, sonic / "RIFE" / "flownet.pkl", svd)
    assert all(status.found for status in model_status(given))


def test_the_snapshot_that_main_names_comes_first(tmp_path):
    sonic, *_ = cached(tmp_path)
    newer = sonic.parent / "later"
    touch(newer / "Sonic" / "unet.pth")
    assert find_files(tmp_path).folder == sonic / "Sonic"
    (sonic.parents[1] / "refs" / "main").unlink()
    os.utime(newer, (2**32, 2**32))
    assert find_files(tmp_path).folder == newer / "Sonic"


def test_a_folder_with_networks_is_not_left_for_one_below(tmp_path):
    folder = released(tmp_path)
    touch(folder / "backup" / "unet.pth")
    (folder / "unet.pth").unlink()
    assert find_files(folder).folder == folder
    assert find_files(folder).networks["unet.pth"] is None
