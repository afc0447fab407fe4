"""One odd dialogue down every road: two voices, whose faces are named against the order in which they stand."""

import json

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient
from fingerprints import fingerprint, picture_of
from forms import command_words, run_batch
from PIL import Image

from sonic_core.cli.main import main
from sonic_core.clip import Audio
from sonic_core.fleet.backends import core_engine
from sonic_core.fleet.worker import Worker
from sonic_core.media.audio import load_audio
from sonic_core.service import api_keys
from sonic_core.service.app import Service, make_app

# Nothing here is a default.
ODD = {
    "preset": "fast",
    "min_resolution": 128,
    "inference_steps": 3,
    "dynamic_scale": 1.3,
    "motion_scale": 0.6,
    "lip_sync_offset": 0.08,
    "fps": 20.0,
    "seed": 11,
    "label_text": "odd",
}
FACES = (1, 0)
CONSENT = {"agreed": True, "subject": "s", "purpose": "a test"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, portrait_path, speech_path):
    """A photo of two, of whom the one on the left is the smaller, and two sounds: a voice, and silence and a voice."""
    folder = tmp_path_factory.mktemp("inputs")
    photo = Image.open(portrait_path)
    photo = photo.resize((256, round(256 * photo.height / photo.width)))
    both = Image.new("RGB", (photo.width * 2, photo.height), "white")
    both.paste(photo.resize((200, round(200 * photo.height / photo.width))), (0, 0))
    both.paste(photo, (photo.width, 0))
    both.save(folder / "couple.png")
    speech = load_audio(speech_path)
    first = speech.mono()[: speech.rate * 3 // 4]
    for name, samples in (("her.wav", first), ("him.wav", np.concatenate([0 * first, first]))):
        soundfile.write(folder / name, samples, speech.rate, subtype="PCM_16")
    samples = np.zeros((2 * len(first), 2), np.float32)
    samples[: len(first), 0] = samples[len(first) :, 1] = first
    soundfile.write(folder / "both.wav", samples, speech.rate, subtype="PCM_16")
    return folder


@pytest.fixture(scope="module")
def made(pipe, inputs):
    """The library's clip."""
    settings = {name: value for name, value in ODD.items() if name != "preset"}
    return pipe.dialogue(
        inputs / "couple.png", [inputs / "her.wav", inputs / "him.wav"], FACES, ODD["preset"], **settings
    )


@pytest.fixture(scope="module")
def expected(pipe, made, tmp_path_factory):
    """The library's file."""
    return fingerprint(pipe.save_video(made, tmp_path_factory.mktemp("library") / "video.mp4"))


def test_whose_voice_it_is_matters(pipe, inputs, expected, tmp_path):
    settings = {name: value for name, value in ODD.items() if name != "preset"}
    voices = [inputs / "her.wav", inputs / "him.wav"]
    clip = pipe.dialogue(inputs / "couple.png", voices, (0, 1), ODD["preset"], **settings)
    found = fingerprint(pipe.save_video(clip, tmp_path / "other.mp4"))
    assert found["picture"] != expected["picture"] and found["sound"] == expected["sound"]


def test_the_library_with_a_channel_each(pipe, inputs, expected, tmp_path):
    settings = {name: value for name, value in ODD.items() if name != "preset"}
    clip = pipe(inputs / "couple.png", inputs / "both.wav", ODD["preset"], voices="channels", faces=FACES, **settings)
    assert fingerprint(pipe.save_video(clip, tmp_path / "video.mp4")) == expected


@pytest.mark.parametrize("road", ["voices", "channels", "generate"])
def test_command_line(inputs, expected, tmp_path, road):
    command, sounds = {
        "voices": ("dialogue", ["--voice", "her.wav", "--voice", "him.wav"]),
        "channels": ("dialogue", ["--audio", "both.wav", "--channels"]),
        "generate": ("generate", ["--audio", "both.wav", "--voices", "channels"]),
    }[road]
    sounds = [str(inputs / word) if word.endswith(".wav") else word for word in sounds]
    path = tmp_path / "video.mp4"
    places = ["--image", str(inputs / "couple.png"), *sounds, "--output", str(path)]
    assert main([command, *places, *command_words(ODD), "--faces", *map(str, FACES)]) == 0
    assert fingerprint(path) == expected


def test_batch(inputs, made, expected, streamed, ledger, stores, tmp_path):
    files = {"image": "couple.png", "audio": "her.wav | him.wav", "output": "both.mp4"}
    assert run_batch({**files, **ODD, "faces": "1 0"}, inputs, tmp_path, ledger, stores) == 0
    assert streamed == [picture_of(made)]
    assert {**fingerprint(tmp_path / "both.mp4"), "picture": expected["picture"]} == expected


def test_service_and_worker(inputs, made, expected, streamed, ledger, stores):
    with TestClient(make_app(Service(ledger, stores))) as client:
        client.headers["Authorization"] = f"Bearer {api_keys.create_key(ledger, 'u')}"
        files = {"image": ("a.png", (inputs / "couple.png").read_bytes())}
        files["audio"] = ("a.wav", (inputs / "both.wav").read_bytes())
        settings = {**ODD, "voices": "channels", "faces": FACES}
        data = {"consent": json.dumps(CONSENT), "settings": json.dumps(settings)}
        answer = client.post("/jobs", files=files, data=data)
    assert answer.status_code == 202, answer.text
    job = Worker(ledger, stores, core_engine()).run_one(answer.json()["id"])
    assert job.error is None and job.settings["faces"] == list(FACES) and streamed == [picture_of(made)]
    found = fingerprint(stores.outputs.path_of(job.output["key"]))
    assert {**found, "picture": expected["picture"]} == expected


def test_faces_need_channels(pipe, inputs):
    with pytest.raises(Exception, match="set voices to channels"):
        pipe(inputs / "couple.png", inputs / "both.wav", faces=FACES)
    with pytest.raises(Exception, match="2 voices"):
        pipe.dialogue(inputs / "couple.png", [Audio(np.zeros((1, 16000), np.float32), 16000)] * 2, (0, 1, 2))
