"""From model to file through the nodes, with an engine that needs no weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from sonic_core.errors import InputError, NotEnoughMemoryError, SettingsError, SonicError

from .fake_engine import FakeEngine

PREPARE = {
    "duration": 0.0,
    "trim": False,
    "framing": "whole",
    "min_resolution": 64,
    "expand_ratio": 0.18,
    "face_index": 0,
    "face_box": "",
}
SAMPLE = {
    "preset": "fast",
    "inference_steps": 0,
    "dynamic_scale": 1.0,
    "motion_scale": 1.0,
    "audio_guidance": 0.0,
    "image_guidance": 0.0,
    "seed": 0,
}


@pytest.fixture
def model(nodes: dict[str, Any], comfy: Any, engine: FakeEngine) -> Any:
    return nodes["SonicLoadModel"].execute(model="lite", precision="auto", compile=False).args[0]


@pytest.fixture
def clip(nodes: dict[str, Any], model: Any, image: torch.Tensor, audio: dict[str, Any]) -> Any:
    predata = nodes["SONIC_PreData"].execute(model=model, image=image, audio=audio, **PREPARE).args[0]
    latents = nodes["SonicSampler"].execute(model=model, predata=predata, **SAMPLE).args[0]
    return nodes["SonicDecode"].execute(model=model, latents=latents).args[0]


def test_a_file_with_every_frame_and_the_sound(nodes: dict[str, Any], clip: Any, comfy: Any, tmp_path: Path) -> None:
    output = nodes["SonicRenderVideo"].execute(clip=clip, quality="medium", format="mp4")
    path = Path(output.args[0].get_stream_source())
    assert path.is_relative_to(tmp_path / "temp")
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 25
        assert float(container.duration / av.time_base) == pytest.approx(1.0, abs=0.05)
        assert len(container.streams.audio) == 1
    shown = output.ui["images"][0]
    assert (tmp_path / shown["type"] / shown["subfolder"] / shown["filename"]) == path


def test_nothing_is_decoded_before_it_is_asked_for(clip: Any, engine: FakeEngine) -> None:
    assert engine.calls == ["load lite", "condition", "sample"]


def test_the_networks_are_brought_back_for_decoding(
    clip: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from comfy import model_management

    asked = []
    monkeypatch.setattr(
        model_management, "load_models_gpu", lambda models, memory_required, force_full_load: asked.append(models[0])
    )
    next(clip.clip.chunks())
    assert asked[0].model.network is engine.network


def test_progress_moves_and_shows_a_picture(
    nodes: dict[str, Any], model: Any, image: torch.Tensor, audio: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import comfy.utils

    seen = []
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda *step, node_id=None: seen.append(step))
    predata = nodes["SONIC_PreData"].execute(model=model, image=image, audio=audio, **PREPARE).args[0]
    nodes["SonicSampler"].execute(model=model, predata=predata, **SAMPLE | {"inference_steps": 3})
    assert [step[:2] for step in seen] == [(1, 3), (2, 3), (3, 3)]
    kind, picture, _ = seen[0][2]
    assert (kind, picture.size) == ("JPEG", (8, 8))


@pytest.mark.parametrize("node", ["sampler", "render", "images"])
def test_cancelling_stops_the_node(nodes: dict[str, Any], model: Any, clip: Any, node: str, engine: FakeEngine) -> None:
    from comfy import model_management

    predata_like = type(
        "P", (), {"prepared": clip.prepared, "conditions": {"portrait": clip.prepared.portrait, "seconds": 1}}
    )
    long_nodes = {
        "sampler": lambda: nodes["SonicSampler"].execute(model=model, predata=predata_like, **SAMPLE),
        "render": lambda: nodes["SonicRenderVideo"].execute(clip=clip, quality="small", format="mp4"),
        "images": lambda: nodes["SonicClipToImages"].execute(clip=clip, start=0, count=0),
    }
    model_management.interrupt_current_processing(True)
    with pytest.raises(model_management.InterruptProcessingException):
        long_nodes[node]()


def test_the_preset_and_the_zeros_mean_what_the_tooltips_say(
    nodes: dict[str, Any], model: Any, image: torch.Tensor, audio: dict[str, Any]
) -> None:
    predata = nodes["SONIC_PreData"].execute(model=model, image=image, audio=audio, **PREPARE).args[0]
    made = nodes["SonicSampler"].execute(model=model, predata=predata, **SAMPLE).args[0]
    settings = made.prepared.settings
    assert (settings.fast, settings.inference_steps) == (True, 10)
    assert settings.audio_guidance is None
    other = nodes["SonicSampler"].execute(model=model, predata=predata, **SAMPLE | {"inference_steps": 4, "seed": 5})
    assert (other.args[0].prepared.settings.inference_steps, other.args[0].prepared.settings.seed) == (4, 5)


def test_too_little_memory_is_said_before_sampling(
    nodes: dict[str, Any], model: Any, engine: FakeEngine, image: torch.Tensor, audio: dict[str, Any]
) -> None:
    predata = nodes["SONIC_PreData"].execute(model=model, image=image, audio=audio, **PREPARE).args[0]
    engine.needs_bytes = 10**15
    with pytest.raises(NotEnoughMemoryError):
        nodes["SonicSampler"].execute(model=model, predata=predata, **SAMPLE)
    assert "sample" not in engine.calls


def test_images_of_a_part_with_their_sound(nodes: dict[str, Any], clip: Any) -> None:
    images, audio, fps = nodes["SonicClipToImages"].execute(clip=clip, start=5, count=10).args
    assert images.shape == (10, 96, 64, 3)
    assert float(images[0].max()) == pytest.approx(5 / 25)
    assert audio["waveform"].shape[-1] == 16000 * 10 // 25
    assert fps == 25.0


def test_images_that_do_not_fit_are_refused_first(
    nodes: dict[str, Any], clip: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from comfy import model_management

    monkeypatch.setattr(model_management, "get_free_memory", lambda device: 10**5)
    with pytest.raises(NotEnoughMemoryError, match=r"25 frames of 64 x 96: 2 MB, but only 0 MB"):
        nodes["SonicClipToImages"].execute(clip=clip, start=0, count=0)
    assert "decode" not in engine.calls


def test_the_preview_shows_the_face(
    nodes: dict[str, Any], model: Any, image: torch.Tensor, audio: dict[str, Any]
) -> None:
    preview = nodes["SONIC_PreData"].execute(model=model, image=image, audio=audio, **PREPARE).args[1]
    changed = np.abs((preview - image).numpy()).max(-1)[0] > 0.01
    rows, columns = np.nonzero(changed)
    assert (columns.min(), columns.max()) == (pytest.approx(64 * 0.3, abs=3), pytest.approx(64 * 0.7, abs=3))
    assert (rows.min(), rows.max()) == (pytest.approx(96 * 0.3, abs=3), pytest.approx(96 * 0.7, abs=3))


def test_a_painted_mask_points_at_the_face(
    nodes: dict[str, Any], model: Any, image: torch.Tensor, audio: dict[str, Any]
) -> None:
    mask = torch.zeros(1, 96, 64)
    mask[:, 20:50, 10:40] = 1
    predata = nodes["SONIC_PreData"].execute(model=model, image=image, audio=audio, face_mask=mask, **PREPARE).args[0]
    assert predata.prepared.settings.face_box == (10, 20, 40, 50)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"audio": None}, InputError, "video without sound"),
        ({"image": torch.rand(3, 96, 64, 3)}, InputError, "shape"),
        ({"image": torch.full((1, 96, 64, 3), torch.nan)}, InputError, "not finite"),
        ({"duration": 0.5}, SettingsError, "duration is 0.5 s but the audio is 1.00 s long"),
        ({"face_box": "1 2 3"}, SettingsError, "four numbers"),
        ({"face_box": "0 0 900 900"}, InputError, "does not lie inside the photo"),
    ],
)
def test_errors_are_one_sentence(
    nodes: dict[str, Any],
    model: Any,
    image: torch.Tensor,
    audio: dict[str, Any],
    changes: dict[str, Any],
    error: type[SonicError],
    text: str,
) -> None:
    with pytest.raises(error, match=text) as caught:
        nodes["SONIC_PreData"].execute(model=model, **{"image": image, "audio": audio} | PREPARE | changes)
    assert "\n" not in str(caught.value)


def test_a_label_is_drawn_and_recorded(nodes: dict[str, Any], model: Any, audio: dict[str, Any]) -> None:
    image = torch.zeros(1, 512, 512, 3)
    predata = (
        nodes["SONIC_PreData"]
        .execute(model=model, image=image, audio=audio, **PREPARE | {"min_resolution": 512})
        .args[0]
    )
    latents = nodes["SonicSampler"].execute(model=model, predata=predata, **SAMPLE).args[0]
    clip = nodes["SonicDecode"].execute(model=model, latents=latents).args[0]
    marked = (
        nodes["SonicLabel"]
        .execute(clip=clip, visible=True, language="en", text="", seconds=2.0, height=0.05, corner="top-left")
        .args[0]
    )
    first = next(marked.clip.frames())
    assert first[:100].max() > 0.9 and first[300:].max() < 0.1
    assert "AIGC" in marked.clip.metadata


def test_another_rate_keeps_the_length(nodes: dict[str, Any], clip: Any) -> None:
    resampled = nodes["SonicInterpolate"].execute(clip=clip, fps=50.0, method="repeat").args[0]
    assert (resampled.clip.frame_count, resampled.clip.fps) == (50, 50)


def test_pasting_back_gives_the_size_of_the_photo(
    nodes: dict[str, Any], model: Any, image: torch.Tensor, audio: dict[str, Any]
) -> None:
    predata = (
        nodes["SONIC_PreData"].execute(model=model, image=image, audio=audio, **PREPARE | {"framing": "face"}).args[0]
    )
    latents = nodes["SonicSampler"].execute(model=model, predata=predata, **SAMPLE).args[0]
    square = nodes["SonicDecode"].execute(model=model, latents=latents).args[0]
    assert square.clip.width == square.clip.height == 64
    pasted = nodes["SonicPasteBack"].execute(clip=square).args[0]
    assert (pasted.clip.width, pasted.clip.height) == (64, 96)
    assert next(pasted.clip.frames()).shape == (96, 64, 3)


def test_pasting_back_a_whole_photo_changes_nothing(nodes: dict[str, Any], clip: Any) -> None:
    assert nodes["SonicPasteBack"].execute(clip=clip).args[0].clip is clip.clip
