"""From model to file through the nodes, with an engine that needs no weights."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import torch

from sonic_core.clip import Clip
from sonic_core.comfyui import JOB_KEY
from sonic_core.errors import (
    InputError,
    MissingExtraError,
    NoFaceError,
    NotEnoughMemoryError,
    SettingsError,
    SonicError,
)

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


Prepare = Callable[..., list[Any]]


@pytest.fixture
def prepare(nodes: dict[str, Any], model: Any, image: torch.Tensor, audio: dict[str, Any]) -> Prepare:
    """Runs SONIC_PreData on the photo and the sound, with some inputs changed: the list of its predata."""

    def run(**changes: Any) -> list[Any]:
        inputs = {"image": image, "audio": audio} | PREPARE | changes
        return list(nodes["SONIC_PreData"].execute(model=model, **inputs).args[0])

    return run


@pytest.fixture
def sample(nodes: dict[str, Any], model: Any, prepare: Prepare) -> Callable[..., Any]:
    """The latents of the photo and the sound, with some inputs of SONIC_PreData changed."""
    return lambda **changes: nodes["SonicSampler"].execute(model=model, predata=prepare(**changes)[0], **SAMPLE).args[0]


@pytest.fixture
def clip(nodes: dict[str, Any], model: Any, sample: Callable[..., Any]) -> Any:
    return nodes["SonicDecode"].execute(model=model, latents=sample()).args[0]


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
    nodes: dict[str, Any], model: Any, prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    import comfy.utils

    predata, seen = prepare()[0], []
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda *step, node_id=None: seen.append(step))
    host = sys.modules[nodes["SonicSampler"].__module__.rpartition(".")[0] + ".host"]
    monkeypatch.setattr(host, "SHOW_SECONDS", 0.0)
    monkeypatch.setattr(host, "PICTURE_SECONDS", 0.0)
    nodes["SonicSampler"].execute(model=model, predata=predata, **SAMPLE | {"inference_steps": 3})
    assert [step[:2] for step in seen] == [(1, 3), (2, 3), (3, 3)]
    kind, picture, side = seen[0][2]
    assert (kind, picture.size, side) == ("JPEG", (8, 8), 8)
    seen.clear()
    monkeypatch.setattr(host, "SHOW_SECONDS", 60.0)
    nodes["SonicSampler"].execute(model=model, predata=predata, **SAMPLE | {"inference_steps": 30})
    assert [step[:2] for step in seen] == [(1, 30), (30, 30)], "steps that follow one another at once are not all shown"


@pytest.mark.parametrize("node", ["prepare", "sampler", "render", "images"])
def test_cancelling_leaves_the_node_at_once(
    nodes: dict[str, Any], model: Any, clip: Any, prepare: Prepare, node: str, engine: FakeEngine
) -> None:
    """Even while the work hangs in one long step, and the step's network stops at its next layer."""
    from comfy import model_management

    predata = prepare()[0]
    engine.hang = threading.Event()
    long_nodes: dict[str, Callable[[], Any]] = {
        "prepare": prepare,
        "sampler": lambda: nodes["SonicSampler"].execute(model=model, predata=predata, **SAMPLE),
        "render": lambda: nodes["SonicRenderVideo"].execute(clip=clip, quality="small", format="mp4"),
        "images": lambda: nodes["SonicClipToImages"].execute(clip=clip, start=0, count=0),
    }
    threading.Timer(0.2, model_management.interrupt_current_processing, [True]).start()
    began = time.monotonic()
    with pytest.raises(model_management.InterruptProcessingException):
        long_nodes[node]()
    assert time.monotonic() - began < 20, "the work itself hangs for a minute"
    engine.hang.set()


def test_a_cancelled_network_stops_at_its_next_layer(nodes: dict[str, Any], model: Any) -> None:
    from comfy import model_management

    work = sys.modules[nodes["SonicSampler"].__module__.rpartition(".")[0] + ".work"]
    network = model.stages["sample"].patchers[0].model.network
    stopped = threading.Event()

    def endless(on_step: Any) -> None:
        try:
            while True:
                network(torch.zeros(1, 2))
        except work.Left:
            stopped.set()
            raise

    threading.Timer(0.2, model_management.interrupt_current_processing, [True]).start()
    with pytest.raises(model_management.InterruptProcessingException):
        work.cancellable(endless)
    assert stopped.wait(30)
    assert work.cancellable(lambda on_step: 3) == 3, "the next one gets its turn"


def test_the_preset_and_the_zeros_mean_what_the_tooltips_say(
    nodes: dict[str, Any], model: Any, prepare: Prepare
) -> None:
    predata = prepare()[0]
    made = nodes["SonicSampler"].execute(model=model, predata=predata, **SAMPLE).args[0]
    settings = made.prepared.settings
    assert (settings.fast, settings.inference_steps) == (True, 10)
    assert settings.audio_guidance is None
    other = nodes["SonicSampler"].execute(model=model, predata=predata, **SAMPLE | {"inference_steps": 4, "seed": 5})
    assert (other.args[0].prepared.settings.inference_steps, other.args[0].prepared.settings.seed) == (4, 5)


def test_mood_and_pose_reach_the_engine(nodes: dict[str, Any], model: Any, prepare: Prepare) -> None:
    pose = {"head_yaw": 5.0, "head_pitch": 0.0, "head_roll": 0.0, "gaze_across": 0.0, "gaze_up": 0.3}
    posed = nodes["SonicPose"].execute(predata=prepare()[0], **pose).args[0]
    sampled = (
        nodes["SonicSampler"].execute(model=model, predata=posed, mood="happy", mood_strength=0.5, **SAMPLE).args[0]
    )
    settings = sampled.prepared.settings
    assert (settings.head_yaw, settings.gaze_up, settings.mood, settings.mood_strength) == (5.0, 0.3, "happy", 0.5)


def test_too_little_memory_is_said_before_sampling(
    nodes: dict[str, Any], model: Any, engine: FakeEngine, prepare: Prepare
) -> None:
    predata = prepare()[0]
    engine.needs_bytes = 10**15
    with pytest.raises(NotEnoughMemoryError):
        nodes["SonicSampler"].execute(model=model, predata=predata, **SAMPLE)
    assert "sample" not in engine.calls


def test_images_of_a_part_with_their_sound(nodes: dict[str, Any], clip: Any) -> None:
    images, audio, fps, _ = nodes["SonicClipToImages"].execute(clip=clip, start=5, count=10).args
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
    preview = nodes["SONIC_PreData"].execute(model=model, image=image, audio=audio, **PREPARE).args[1][0]
    changed = np.abs((preview - image).numpy()).max(-1)[0] > 0.01
    rows, columns = np.nonzero(changed)
    assert (columns.min(), columns.max()) == (pytest.approx(64 * 0.3, abs=3), pytest.approx(64 * 0.7, abs=3))
    assert (rows.min(), rows.max()) == (pytest.approx(96 * 0.3, abs=3), pytest.approx(96 * 0.7, abs=3))


def test_a_painted_mask_points_at_the_face(prepare: Prepare) -> None:
    mask = torch.zeros(1, 96, 64)
    mask[:, 20:50, 10:40] = 1
    predata = prepare(face_mask=mask)[0]
    assert predata.prepared.settings.face_box == (10, 20, 40, 50)


class UnreadableSound(dict[str, Any]):
    """An AUDIO that is read when it is asked for, as VideoHelperSuite gives it, of a video without sound."""

    def __getitem__(self, key: str) -> Any:
        raise Exception("failed to extract audio from silent.mp4:\nffmpeg version 5")


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"audio": None}, InputError, "video without sound"),
        ({"audio": UnreadableSound()}, InputError, r"cannot be read \(failed to extract audio from silent.mp4\)"),
        ({"image": torch.rand(0, 96, 64, 3)}, InputError, "connect Load Image"),
        ({"image": torch.rand(1, 96, 64, 3).repeat(48, 1, 1, 1)}, InputError, "48 frames of a video; .* Sonic: Dub"),
        ({"image": torch.rand(65, 32, 32, 3)}, InputError, "65 photos; 64 at most"),
        ({"image": torch.full((1, 96, 64, 3), torch.nan)}, InputError, "not finite"),
        ({"duration": 0.5}, SettingsError, "1.00 s long; set duration to 0"),
        ({"face_index": 3}, NoFaceError, "only face 0; set face_index"),
        ({"min_resolution": 32}, SettingsError, "min_resolution is 32"),
        ({"face_box": "1 2 3"}, SettingsError, "four numbers"),
        ({"face_box": "0 0 900 900"}, InputError, "does not lie inside the photo"),
    ],
)
def test_errors_are_one_sentence(prepare: Prepare, changes: dict[str, Any], error: type[SonicError], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        prepare(**changes)
    assert "\n" not in str(caught.value)


LABEL = {"visible": True, "language": "en", "text": "", "seconds": 2.0, "height": 0.05, "corner": "top-left"}


def test_a_null_in_place_of_a_value_is_said(nodes: dict[str, Any], clip: Any) -> None:
    with pytest.raises(InputError, match="seconds is null; give it a value"):
        nodes["SonicLabel"].execute(clip=clip, **LABEL | {"seconds": None})


def test_a_package_that_a_node_needs_is_named(
    nodes: dict[str, Any], clip: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: Any, **__: Any) -> None:
        raise ModuleNotFoundError("No module named 'diffusers'", name="diffusers")

    monkeypatch.setattr(nodes["SonicLabel"], "run", run)
    with pytest.raises(MissingExtraError, match="needs the Python package diffusers; run pip install diffusers "):
        nodes["SonicLabel"].execute(clip=clip, **LABEL)


def test_a_label_is_drawn_and_recorded(nodes: dict[str, Any], sample: Callable[..., Any]) -> None:
    latents = sample(image=torch.zeros(1, 512, 512, 3), min_resolution=512)
    marked = nodes["SonicLabel"].execute(clip=latents, **LABEL).args[0]
    first = next(marked.clip.frames())
    assert first[:100].max() > 0.9 and first[300:].max() < 0.1
    assert "AIGC" in marked.clip.metadata


@pytest.mark.parametrize("told", [{JOB_KEY: "job-7", "workflow": {}}, {"workflow": {}}, None])
def test_the_record_names_the_job_that_a_worker_queued(
    nodes: dict[str, Any], clip: Any, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes["SonicLabel"], "hidden", SimpleNamespace(extra_pnginfo=told))
    marked = nodes["SonicLabel"].execute(clip=clip, **LABEL | {"visible": False}).args[0]
    named = json.loads(marked.clip.metadata["AIGC"])["ProduceID"]
    assert (named == "job-7") if told and JOB_KEY in told else len(named) == 16, "16 digits: outside of a run"


@pytest.mark.parametrize(("locale", "language"), [(None, "en"), ("zh", "zh"), ("zh-TW", "zh"), ("de", "en")])
def test_the_label_speaks_the_language_of_the_front_end(
    nodes: dict[str, Any],
    comfy: Any,
    tmp_path: Path,
    locale: str | None,
    language: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comfy, "get_user_directory", lambda: str(tmp_path / "user"))
    if locale is not None:
        (tmp_path / "user" / "default").mkdir(parents=True)
        (tmp_path / "user" / "default" / "comfy.settings.json").write_text(json.dumps({"Comfy.Locale": locale}))
    clip = Clip.of_frames(np.zeros((60, 256, 256, 3), np.float32), Fraction(25))
    made = sys.modules[nodes["SonicLabel"].__module__.rpartition(".")[0] + ".sockets"].SonicClip(clip)
    frames = [
        next(nodes["SonicLabel"].execute(clip=made, **LABEL | {"language": chosen}).args[0].clip.frames())
        for chosen in ("auto", language)
    ]
    assert (frames[0] == frames[1]).all() and frames[0].max() > 0.9


def records(path: Path) -> bool:
    with av.open(str(path)) as container:
        return "AIGC" in container.metadata


def test_every_video_carries_the_record_unless_it_is_left_out(nodes: dict[str, Any], clip: Any, comfy: Any) -> None:
    files = {
        record: Path(
            nodes["SonicRenderVideo"]
            .execute(clip=clip, quality="small", format="mp4", **({} if record is None else {"ai_record": record}))
            .args[0]
            .get_stream_source()
        )
        for record in (None, True, False)
    }
    assert {record: records(path) for record, path in files.items()} == {None: True, True: True, False: False}


def test_latents_are_rendered_as_their_clip(nodes: dict[str, Any], sample: Callable[..., Any], comfy: Any) -> None:
    images, audio, fps, _ = nodes["SonicClipToImages"].execute(clip=sample(), start=0, count=0).args
    assert (images.shape, fps) == ((25, 96, 64, 3), 25.0)
    assert audio["waveform"].shape[-1] == 16000


def test_several_photos_become_several_clips(prepare: Prepare) -> None:
    photos = torch.rand(3, 96, 64, 3, generator=torch.Generator().manual_seed(1))
    made = prepare(image=photos)
    assert len(made) == 3
    for predata, photo in zip(made, photos, strict=True):
        assert np.abs(predata.prepared.photo / 255 - photo.numpy()).max() < 0.01


def test_an_error_says_which_photo_it_is_about(prepare: Prepare) -> None:
    photos = torch.rand(2, 96, 64, 3)
    photos[1, 0, 0] = torch.nan
    with pytest.raises(InputError, match=r"photo 2 of 2: .*not finite"):
        prepare(image=photos)


def test_a_dialogue_needs_a_face_for_each_voice(
    nodes: dict[str, Any], model: Any, image: torch.Tensor, audio: dict[str, Any]
) -> None:
    widgets = {
        "preset": "fast",
        "min_resolution": 64,
        "dynamic_scale": 1.0,
        "motion_scale": 1.0,
        "fps": 25.0,
        "seed": 0,
    }
    with pytest.raises(NoFaceError, match="2 voices were given but one face was found"):
        nodes["SonicDialogue"].execute(model=model, image=image, audio_left=audio, audio_right=audio, **widgets)


def test_a_video_of_any_pack_becomes_a_clip(nodes: dict[str, Any], clip: Any, comfy: Any) -> None:
    video = nodes["SonicRenderVideo"].execute(clip=clip, quality="best", format="mp4").args[0]
    read = nodes["SonicVideoToClip"].execute(video=video).args[0]
    assert (read.clip.frame_count, read.clip.fps, read.clip.width, read.clip.height) == (25, 25, 64, 96)
    assert read.clip.audio is not None and read.clip.audio.seconds == pytest.approx(1.0, abs=0.1)
    smoothed = nodes["SonicSmooth"].execute(clip=read, strength=0.0).args[0]
    again = nodes["SonicRenderVideo"].execute(clip=smoothed, quality="small", format="mov").args[0]
    assert records(Path(again.get_stream_source()))
    with pytest.raises(InputError, match="not made from a photo"):
        nodes["SonicPasteBack"].execute(clip=read)


class FramesInMemory:
    """A VIDEO as core's Create Video gives it: 0.3.64 fails when it is asked for a file of it."""

    def __init__(self, path: str):
        self.path = path

    def get_stream_source(self) -> str:
        raise ValueError("Could not determine output format")

    def save_to(self, path: str) -> None:
        Path(path).write_bytes(Path(self.path).read_bytes())


def test_a_video_whose_frames_are_in_memory_becomes_a_clip(nodes: dict[str, Any], clip: Any, comfy: Any) -> None:
    video = nodes["SonicRenderVideo"].execute(clip=clip, quality="best", format="mp4").args[0]
    read = nodes["SonicVideoToClip"].execute(video=FramesInMemory(video.get_stream_source())).args[0]
    assert read.clip.frame_count == 25


def test_another_rate_keeps_the_length(nodes: dict[str, Any], clip: Any) -> None:
    resampled = nodes["SonicInterpolate"].execute(clip=clip, fps=50.0, method="repeat").args[0]
    assert (resampled.clip.frame_count, resampled.clip.fps) == (50, 50)


@pytest.mark.parametrize(("chosen", "size"), [("1:1", (1080, 1080)), ("own size", (32, 20))])
def test_a_canvas_gives_the_clip_its_shape(
    nodes: dict[str, Any], clip: Any, chosen: str, size: tuple[int, int]
) -> None:
    fitted = nodes["SonicCanvas"].execute(clip=clip, canvas=chosen, mode="fit", width=32, height=20).args[0]
    assert (fitted.clip.width, fitted.clip.height) == size
    assert next(fitted.clip.frames()).shape == (size[1], size[0], 3)
    assert fitted.clip.frame_count == 25


def test_pasting_back_gives_the_size_of_the_photo(nodes: dict[str, Any], sample: Callable[..., Any]) -> None:
    latents = sample(framing="face")
    square = nodes["SonicSmooth"].execute(clip=latents, strength=0.0).args[0]
    assert square.clip.width == square.clip.height == 64
    pasted = nodes["SonicPasteBack"].execute(clip=square).args[0]
    assert (pasted.clip.width, pasted.clip.height) == (64, 96)
    assert next(pasted.clip.frames()).shape == (96, 64, 3)
    assert nodes["SonicPasteBack"].execute(clip=pasted).args[0].clip is pasted.clip, "not a second time"


def test_framing_photo_is_pasted_back_by_itself(nodes: dict[str, Any], sample: Callable[..., Any]) -> None:
    images = nodes["SonicClipToImages"].execute(clip=sample(framing="photo"), start=0, count=1).args[0]
    assert images.shape == (1, 96, 64, 3)


def test_pasting_back_a_whole_photo_changes_nothing(nodes: dict[str, Any], clip: Any) -> None:
    assert nodes["SonicPasteBack"].execute(clip=clip).args[0].clip is clip.clip
