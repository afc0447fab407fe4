"""One odd dub down every road: two people in a video, whose voices are given against the order in which they stand."""

import json
from fractions import Fraction

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient
from fingerprints import fingerprint, picture_of
from forms import command_words, run_batch
from PIL import Image

from sonic_core.cli.main import main
from sonic_core.clip import Audio, Clip
from sonic_core.errors import InputError, SettingsError
from sonic_core.fleet.backends import core_engine
from sonic_core.fleet.worker import Worker
from sonic_core.media.audio import load_audio
from sonic_core.media.video import save_video
from sonic_core.service import api_keys
from sonic_core.service.app import Service, make_app
from sonic_core.service.storage_events import start_jobs

# Nothing here is a default.
ODD = {"preset": "fast", "dynamic_scale": 1.3, "lip_sync_offset": 0.08, "seed": 11, "label_text": "odd"}
DUB = {"longer": "loop", "shorter": "cut", "own_sound": 0.1}
FACES = (1, 0)
CONSENT = {"agreed": True, "subject": "s", "purpose": "a test"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, portrait_path, speech_path):
    """Half a second of two people who sway, with a sound of their own; two voices, as a file each and as one."""
    folder = tmp_path_factory.mktemp("inputs")
    photo = Image.open(portrait_path).convert("RGB")
    photo = photo.resize((192, round(192 * photo.height / photo.width) & ~1))
    both = np.concatenate([np.asarray(photo)] * 2, 1).astype(np.float32) / 255
    frames = np.stack([np.roll(both, k % 3, 1) for k in range(13)])
    hum = Audio(np.full((1, 24960), 0.2, np.float32), 48000)
    save_video(Clip.of_frames(frames, Fraction(25), hum), folder / "couple.mp4")
    speech = load_audio(speech_path)
    first = speech.mono()[: speech.rate // 3]
    samples = np.zeros((2 * len(first), 2), np.float32)
    samples[: len(first), 0] = samples[len(first) :, 1] = first
    soundfile.write(folder / "both.wav", samples, speech.rate, subtype="PCM_16")
    for name, channel in (("her.wav", 0), ("him.wav", 1)):
        soundfile.write(folder / name, samples[:, channel], speech.rate, subtype="PCM_16")
    return folder


@pytest.fixture(scope="module")
def made(pipe, inputs):
    """The library's clip."""
    settings = {name: value for name, value in (ODD | DUB).items() if name != "preset"}
    voices = {1: inputs / "her.wav", 0: inputs / "him.wav"}
    return pipe.dub(inputs / "couple.mp4", voices, ODD["preset"], **settings)


@pytest.fixture(scope="module")
def expected(pipe, made, tmp_path_factory):
    """The library's file."""
    return fingerprint(pipe.save_video(made, tmp_path_factory.mktemp("library") / "video.mp4"))


def test_the_library_with_a_channel_each(pipe, inputs, made):
    settings = {name: value for name, value in (ODD | DUB).items() if name != "preset"}
    channels = {"voices": "channels", "faces": FACES}
    clip = pipe.dub(inputs / "couple.mp4", inputs / "both.wav", ODD["preset"], **channels, **settings)
    assert picture_of(clip) == picture_of(made)
    swapped = pipe.dub(inputs / "couple.mp4", inputs / "both.wav", ODD["preset"], voices="channels", **settings)
    assert picture_of(swapped) != picture_of(made)


def test_command_line(inputs, expected, tmp_path):
    words = command_words(ODD | {"longer": "loop", "shorter": "cut", "keep_audio": "-20dB"})
    voices = ["--voice", f"1={inputs / 'her.wav'}", "--voice", f"0={inputs / 'him.wav'}"]
    path = tmp_path / "video.mp4"
    assert main(["dub", "--video", str(inputs / "couple.mp4"), *voices, "--output", str(path), *words]) == 0
    assert fingerprint(path) == expected


def test_batch(inputs, made, expected, streamed, ledger, stores, tmp_path):
    files = {"video": "couple.mp4", "audio": "her.wav | him.wav", "output": "both.mp4"}
    assert run_batch({**files, **ODD, **DUB, "faces": "1 0"}, inputs, tmp_path, ledger, stores) == 0
    assert streamed == [picture_of(made)]
    assert {**fingerprint(tmp_path / "both.mp4"), "picture": expected["picture"]} == expected


def test_service_and_worker(inputs, made, expected, streamed, ledger, stores):
    with TestClient(make_app(Service(ledger, stores))) as client:
        client.headers["Authorization"] = f"Bearer {api_keys.create_key(ledger, 'u')}"
        files = {
            name: (file, (inputs / file).read_bytes())
            for name, file in (("video", "couple.mp4"), ("audio", "both.wav"))
        }
        settings = {**ODD, **DUB, "voices": "channels", "faces": FACES}
        answer = client.post(
            "/jobs", files=files, data={"consent": json.dumps(CONSENT), "settings": json.dumps(settings)}
        )
        assert answer.status_code == 202, answer.text
        shown = client.get(f"/jobs/{answer.json()['id']}").json()
        small = client.get(f"/jobs/{answer.json()['id']}/thumbnail")
        assert small.status_code == 200 and small.headers["content-type"] == "image/jpeg"
        refused = {
            "give one of image and video": files | {"image": ("a.png", picture())},
            "The video": {"video": ("a.mp4", b"no video"), "audio": files["audio"]},
            "for a video that is dubbed": {"image": ("a.png", picture()), "audio": files["audio"]},
        }
        for sentence, other in refused.items():
            data = {"consent": json.dumps(CONSENT), "settings": json.dumps({"longer": "loop"})}
            again = client.post("/jobs", files=other, data=data)
            assert again.status_code == 400 and sentence in again.text, again.text
    assert shown["dubs"] and shown["photo"] == [384, made.height]
    job = Worker(ledger, stores, core_engine()).run_one(answer.json()["id"])
    assert job.error is None and streamed == [picture_of(made)]
    found = fingerprint(stores.outputs.path_of(job.output["key"]))
    assert {**found, "picture": expected["picture"]} == expected


def test_kafka_and_storage_events(inputs, made, streamed, ledger, stores, consent):
    pytest.importorskip("confluent_kafka")
    from sonic_core.fleet.kafka import accept

    settings = {**ODD, **DUB, "voices": "channels", "faces": list(FACES)}
    sidecar = {"video": "couple.mp4", "consent": consent.id, "settings": settings}
    stores.inputs.put("inputs/u/stored/job.json", json.dumps(sidecar).encode())
    keys = {name: f"inputs/u/stored/{file}" for name, file in (("video", "couple.mp4"), ("audio", "both.wav"))}
    for key in keys.values():
        stores.inputs.put(key, inputs / key.rpartition("/")[2])
    message = {"id": "sent", "user": "u", **keys, "consent": consent.id, "settings": settings}
    sent, _ = accept(ledger, stores, json.dumps(message).encode())
    assert start_jobs(ledger, stores, lambda job: None, list(keys.values())) == {"started": ["stored"], "refused": {}}
    stored = ledger.get("stored")
    assert (stored.inputs, stored.settings) == (sent.inputs, sent.settings)
    assert Worker(ledger, stores, core_engine()).run_one(sent.id).error is None
    assert streamed == [picture_of(made)]

    for name, sources in (("both", {"image": "inputs/u/p.png"}), ("neither", {"video": None})):
        with pytest.raises(InputError, match="give one of image and video"):
            accept(ledger, stores, json.dumps({**message, "id": name, **sources}).encode())
    with pytest.raises(InputError, match="The video of the message must be the key of an object"):
        accept(ledger, stores, json.dumps({**message, "id": "odd", "video": 7}).encode())
    with pytest.raises(InputError, match="it is empty"):
        accept(ledger, stores, json.dumps({**message, "id": "mute", "audio": ""}).encode())
    stores.inputs.put("inputs/u/bare/job.json", json.dumps({"consent": consent.id}).encode())
    refused = start_jobs(ledger, stores, lambda job: None, ["inputs/u/bare/a.wav"])["refused"]
    assert "give one of image and video" in refused["inputs/u/bare/a.wav"]


def picture() -> bytes:
    from io import BytesIO

    file = BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    return file.getvalue()


def test_options_that_contradict_one_another(pipe, inputs):
    with pytest.raises(SettingsError, match="who is auto and person is 1"):
        pipe.dub(inputs / "couple.mp4", inputs / "her.wav", who="auto", person=1)
