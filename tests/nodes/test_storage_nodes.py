"""Loading from and uploading to storage: a folder by default, the strict OSS server, cancels, errors, no secrets."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
import numpy as np
import pytest
import torch

from sonic_core.clip import Audio, Clip
from sonic_core.errors import InputError, SonicError
from sonic_core.media.flac import save_flac
from sonic_core.media.video import save_video
from sonic_core.storage import transfer
from sonic_core.storage.store import Store

SECRET = "canary-secret-4711"
SOUND = Audio(np.linspace(-0.5, 0.5, 16000, dtype=np.float32)[None], 16000)


@pytest.fixture
def store(comfy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SONIC_STORAGE_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("SONIC_OSS_FOLDER", str(tmp_path / "store"))
    return transfer.stores_of("").outputs


@pytest.fixture
def video(nodes: dict[str, Any], comfy: Any, tmp_path: Path) -> Any:
    """A VIDEO as Sonic: Render Video gives it."""
    frames = np.linspace(0, 1, 10 * 64 * 64 * 3, dtype=np.float32).reshape(10, 64, 64, 3)
    path = save_video(Clip.of_frames(frames, Fraction(10), SOUND), tmp_path / "temp" / "clip.mp4")
    return sys.modules["comfy_api.latest"].InputImpl.VideoFromFile(str(path))


def upload(nodes: dict[str, Any], media: Any, profile: str = "", key: str = "{job}/{name}") -> Any:
    return nodes["SonicOSSUpload"].execute(media=media, profile=profile, key=key)


def load(nodes: dict[str, Any], source: str, profile: str = "") -> tuple[Any, Any, Any]:
    return nodes["SonicOSSLoad"].execute(source=source, profile=profile).args


def test_a_video_file_is_uploaded_as_it_is(nodes: dict[str, Any], store: Store, video: Any, tmp_path: Path) -> None:
    output = upload(nodes, video)
    url, key = output.args
    store.get(key, tmp_path / "back.mp4", max_bytes=10**7)
    assert (tmp_path / "back.mp4").read_bytes() == Path(video.get_stream_source()).read_bytes()
    assert key.startswith("outputs/comfyui/") and key.endswith("/video-0.mp4")
    assert url.startswith("file://") and url.endswith(key)
    assert output.ui == {"text": (key,)}, "the link is not kept in the history"


def test_a_part_of_a_file_is_not_taken_for_the_file(
    nodes: dict[str, Any], store: Store, video: Any, tmp_path: Path
) -> None:
    class Part(type(video)):  # type: ignore[misc]  # what later ComfyUIs make by trimming
        def get_duration(self) -> float:
            return 0.5

        def save_to(self, path: str) -> None:
            Path(path).write_bytes(b"the part")

    _, key = upload(nodes, Part(video.get_stream_source())).args
    store.get(key, tmp_path / "back.mp4", max_bytes=10**7)
    assert (tmp_path / "back.mp4").read_bytes() == b"the part"


def test_a_picture_comes_back(nodes: dict[str, Any], store: Store, image: torch.Tensor) -> None:
    _, key = upload(nodes, image).args
    picture, sound, film = load(nodes, key)
    assert key.endswith(".png") and (picture - image).abs().max() <= 0.5 / 255 + 1e-6
    assert "image-0.png is a picture, not a sound; use the output image" in sound.message
    assert "not a video" in film.message


def test_a_sound_comes_back(nodes: dict[str, Any], store: Store, audio: dict[str, Any], tmp_path: Path) -> None:
    _, key = upload(nodes, MappingProxyType(audio)).args  # a mapping that is no dict, as VideoHelperSuite gives
    picture, sound, _ = load(nodes, key)
    assert key.endswith(".flac") and sound["sample_rate"] == 16000
    assert (sound["waveform"] - audio["waveform"]).abs().max() < 1e-4
    assert "not a picture" in picture.message
    assert not list((tmp_path / "temp").rglob("audio-0*")), "no file stays that nobody needs"


def test_a_video_comes_back_with_its_sound(nodes: dict[str, Any], store: Store, video: Any) -> None:
    picture, sound, film = load(nodes, upload(nodes, video).args[1])
    assert sound["waveform"].shape[-1] == pytest.approx(16000, abs=2100)  # AAC adds some
    with av.open(film.get_stream_source()) as container:
        assert sum(1 for _ in container.decode(video=0)) == 10
    assert "is a video, not a picture" in picture.message


def test_a_silent_video_has_no_sound_to_give(nodes: dict[str, Any], store: Store, tmp_path: Path) -> None:
    silent = save_video(Clip.of_frames(np.zeros((3, 32, 32, 3), np.float32), Fraction(10)), tmp_path / "s.mp4")
    store.put("inputs/me/1/silent.mp4", silent)
    _, sound, film = load(nodes, "inputs/me/1/silent.mp4")
    assert "silent.mp4 gives no sound" in sound.message and film is not None


def test_the_bundled_samples_are_there_at_the_first_click(nodes: dict[str, Any], store: Store) -> None:
    node = nodes["SonicOSSLoad"]
    for key in ("inputs/comfyui/samples/sonic_portrait.jpg", "inputs/comfyui/samples/sonic_speech.flac"):
        assert node.validate_inputs(source=key, profile="") is True
        first = node.fingerprint_inputs(source=key, profile="")
        assert first == node.fingerprint_inputs(source=key, profile="")
    assert load(nodes, "inputs/comfyui/samples/sonic_portrait.jpg")[0].shape[-1] == 3
    assert load(nodes, "inputs/comfyui/samples/sonic_speech.flac")[1]["sample_rate"] > 0


def test_a_replaced_object_is_loaded_again(nodes: dict[str, Any], store: Store) -> None:
    look = nodes["SonicOSSLoad"].fingerprint_inputs
    store.put("inputs/me/1/a", b"one")
    before = look(source="inputs/me/1/a", profile="")
    store.put("inputs/me/1/a", b"other", overwrite=True)
    assert look(source="inputs/me/1/a", profile="") != before
    assert look(source=None, profile="") == "", "connected from another node"


@pytest.mark.parametrize(
    ("media", "said"),
    [(None, "video without sound"), (torch.zeros(3, 64, 64, 3), "there are 3 pictures")],
)
def test_what_cannot_be_uploaded(nodes: dict[str, Any], store: Store, media: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        upload(nodes, media)


@pytest.mark.parametrize(
    "source", ["", "../secret", "inputs/me/gone.jpg", "http://example.com/a", "https://10.0.0.1/a"]
)
def test_what_cannot_be_loaded_is_one_sentence(nodes: dict[str, Any], store: Store, source: str) -> None:
    with pytest.raises(SonicError) as caught:
        load(nodes, source)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_kind_is_refused(nodes: dict[str, Any], store: Store) -> None:
    store.put("inputs/me/1/notes.txt", b"words" * 100)
    with pytest.raises(InputError, match="neither a picture"):
        load(nodes, "inputs/me/1/notes.txt")


def test_mistakes_are_said_before_the_run(nodes: dict[str, Any], store: Store) -> None:
    check = nodes["SonicOSSUpload"].validate_inputs
    assert check(profile="", key="{job}/{name}") is True
    assert "only {name}, {job}" in check(profile="", key="{user}/{name}")
    assert "no storage profile 'nope'" in check(profile="nope", key="{name}")
    assert "no storage profile 'nope'" in nodes["SonicOSSLoad"].validate_inputs(source="a", profile="nope")


class SlowStore:
    """A store that hangs until it is let go, as a dead network does."""

    def __init__(self, inner: Store):
        self.inner, self.go, self.ended = inner, threading.Event(), threading.Event()

    def put(self, key: str, source: Any, **options: Any) -> Any:
        self.go.wait(60)
        try:
            return self.inner.put(key, source, **options)
        finally:
            self.ended.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.fixture
def slow(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowStore]:
    from sonic_core.storage.stores import Stores

    place = SlowStore(store)
    monkeypatch.setattr(transfer, "stores_of", lambda profile: Stores(place, place, 60))  # type: ignore[arg-type]
    yield place
    place.go.set()


def test_a_cancel_is_heard_while_the_network_hangs(
    nodes: dict[str, Any], slow: SlowStore, store: Store, image: torch.Tensor
) -> None:
    from comfy import model_management

    threading.Timer(0.2, model_management.interrupt_current_processing, [True]).start()
    began = time.monotonic()
    with pytest.raises(model_management.InterruptProcessingException):
        upload(nodes, image)
    assert time.monotonic() - began < 20, "the network itself hangs for a minute"
    slow.go.set()
    assert slow.ended.wait(60)
    assert list(store.list("")) == [], "what arrives after the cancel is taken back"


def test_no_secret_leaves_the_environment(
    nodes: dict[str, Any],
    comfy: Any,
    video: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A full round on the strict OSS server with canary credentials; then its error without the right ones."""
    pytest.importorskip("oss2")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "storage"))
    from oss_server import Bucket, OssServer
    from oss_signature import Account

    with OssServer() as server, caplog.at_level("DEBUG"):
        server.accounts["TESTKEY"] = Account(SECRET)
        server.buckets["results"] = Bucket()
        fields = {"kind": "oss", "bucket": "results", "region": "cn-hangzhou", "endpoint": server.endpoint}
        for name, value in fields.items():
            monkeypatch.setenv(f"SONIC_OSS_{name.upper()}", value)
        monkeypatch.setenv("OSS_ACCESS_KEY_ID", "TESTKEY")
        monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", SECRET)
        output = upload(nodes, video)
        load(nodes, output.args[1])
        monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", SECRET + "-wrong")
        with pytest.raises(SonicError, match=r"OSS refused .* 403") as caught:
            upload(nodes, video)
    schemas = [nodes[name].GET_SCHEMA().get_v1_info(nodes[name]) for name in ("SonicOSSLoad", "SonicOSSUpload")]
    for text in (*output.args, json.dumps(output.ui), str(caught.value), caplog.text, repr(schemas)):
        assert SECRET not in text
    assert all(SECRET.encode() not in p.read_bytes() for p in (tmp_path / "temp").rglob("*") if p.is_file())


def test_a_sound_made_elsewhere_is_loaded(nodes: dict[str, Any], store: Store, tmp_path: Path) -> None:
    store.put("inputs/me/1/speech.flac", save_flac(SOUND, tmp_path / "s.flac"))
    assert load(nodes, "inputs/me/1/speech.flac")[1]["waveform"].shape == (1, 1, 16000)
