"""The person cut out on the canvas: alpha, MASK, colours, pictures and files, with the engine that ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image

from sonic_core.errors import InputError, SettingsError

PREPARE = {
    "duration": 0.2, "trim": True, "framing": "whole", "min_resolution": 128, "expand_ratio": 0.18, "face_index": 0,
    "face_box": "",
}  # fmt: skip
SAMPLE = {
    "preset": "fast", "inference_steps": 2, "dynamic_scale": 1.0, "motion_scale": 1.0, "audio_guidance": 0.0,
    "image_guidance": 0.0, "seed": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def model(nodes: dict[str, Any]) -> Any:
    return nodes["SonicLoadModel"].execute(model="lite", precision="auto", compile=False).args[0]


@pytest.fixture(scope="module")
def latents(nodes: dict[str, Any], model: Any, portrait_path: Path) -> Any:
    photo = np.asarray(Image.open(portrait_path).convert("RGB").resize((256, 256)), np.float32) / 255
    sound = {"waveform": 0.2 * torch.sin(torch.arange(16000) / 9)[None, None], "sample_rate": 16000}
    given = {"model": model, "image": torch.from_numpy(photo)[None], "audio": sound}
    predata = nodes["SONIC_PreData"].execute(**given, **PREPARE).args[0][0]
    return nodes["SonicSampler"].execute(model=model, predata=predata, **SAMPLE).args[0]


def cut(nodes: dict[str, Any], clip: Any, background: str = "transparent", **more: Any) -> Any:
    return nodes["SonicCutOut"].execute(clip=clip, background=background, **{"colour": "#ffffff"} | more).args[0]


def images(nodes: dict[str, Any], clip: Any) -> tuple[torch.Tensor, torch.Tensor]:
    made = nodes["SonicClipToImages"].execute(clip=clip, start=0, count=0).args
    return made[0], made[3]


def test_a_path_is_no_colour(nodes: dict[str, Any], comfy: Any, latents: Any, portrait_path: Path) -> None:
    """It would be a file of the server's."""
    with pytest.raises(SettingsError, match=r"background is .*; give green"):
        cut(nodes, latents, "own colour", colour=str(portrait_path))


def test_a_mask_beside_the_images(nodes: dict[str, Any], comfy: Any, latents: Any) -> None:
    frames, mask = images(nodes, cut(nodes, latents))
    assert frames.shape == (5, 128, 128, 3) and mask.shape == (5, 128, 128)
    assert mask[:, :15, :15].max() == 0 and mask[:, 50, 64].min() == 1
    plain, all_white = images(nodes, latents)
    assert (all_white == 1).all() and all_white.shape == mask.shape
    assert (frames - plain)[mask == 1].abs().mean() < 0.01


def test_a_clip_that_was_finished_before_gets_the_photos_alpha(nodes: dict[str, Any], comfy: Any, latents: Any) -> None:
    smoothed = nodes["SonicSmooth"].execute(clip=latents, strength=0.3).args[0]
    wanted, found = (images(nodes, cut(nodes, clip))[1] for clip in (latents, smoothed))
    assert (found - wanted).abs().mean() < 0.02


def test_pasted_back_without_background(nodes: dict[str, Any], comfy: Any, latents: Any) -> None:
    assert cut(nodes, nodes["SonicPasteBack"].execute(clip=cut(nodes, latents)).args[0]).clip.has_alpha


@pytest.mark.parametrize(
    ("background", "colour"), [("green", (0, 177, 64)), ("own colour", (16, 32, 48)), ("picture", (255, 0, 0))]
)
def test_what_stands_behind(
    nodes: dict[str, Any], comfy: Any, latents: Any, background: str, colour: tuple[int, ...]
) -> None:
    red = torch.tensor([1.0, 0.0, 0.0]).expand(1, 40, 60, 3)
    frames, _ = images(nodes, cut(nodes, latents, background, colour="#102030", picture=red))
    assert torch.equal((frames[:, 3, 3] * 255).round(), torch.tensor(colour).float().expand(5, 3))


def test_a_picture_that_is_not_connected(nodes: dict[str, Any], comfy: Any, latents: Any) -> None:
    with pytest.raises(SettingsError, match="none is connected"):
        cut(nodes, latents, "picture")


def test_a_transparent_file_in_the_output_folder(
    nodes: dict[str, Any], comfy: Any, latents: Any, tmp_path: Path
) -> None:
    clip = cut(nodes, latents)
    render = nodes["SonicRenderVideo"]
    with pytest.raises(SettingsError, match="set format to webm or mov"):
        render.execute(clip=clip, quality="small", format="mp4")
    for number in (1, 2):
        made = render.execute(clip=clip, quality="small", format="webm", save_as="video/me")
        path = tmp_path / "output" / "video" / f"me_{number:05}_.webm"
        assert Path(made.args[0].get_stream_source()) == path
        assert made.ui["images"][0] == {"filename": path.name, "subfolder": "video", "type": "output"}
    with av.open(str(path)) as container:
        assert container.streams.video[0].metadata["alpha_mode"] == "1"
        assert container.metadata["AIGC"]


def test_save_as_stays_in_the_output_folder(nodes: dict[str, Any], comfy: Any, latents: Any) -> None:
    with pytest.raises(InputError, match="outside"):
        nodes["SonicRenderVideo"].execute(clip=latents, quality="small", format="mp4", save_as="../../x")
