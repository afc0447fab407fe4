"""One odd request down every road, with the engine that ships: library, command line, nodes, service, ComfyUI worker.

Each road ends in a file, and the files must show the same frames and sound the same.
"""

import json

import numpy as np
import pytest
import soundfile
from fake_comfyui import FakeComfyUI
from fastapi.testclient import TestClient
from fingerprints import fingerprint, picture_of
from forms import command_words
from PIL import Image

from sonic_core.cli.main import main
from sonic_core.comfyui import client as comfyui_client
from sonic_core.comfyui.backend import comfyui_engine
from sonic_core.comfyui.graph import load_graph, set_input
from sonic_core.fleet.backends import core_engine
from sonic_core.fleet.worker import Worker
from sonic_core.media.audio import load_audio
from sonic_core.service import api_keys
from sonic_core.service.app import Service, make_app

# Nothing here is a default.
ODD = {
    "preset": "fast",
    "duration": 0.72,
    "trim": True,
    "framing": "photo",
    "min_resolution": 128,
    "expand_ratio": 0.31,
    "channel": "right",
    "inference_steps": 3,
    "dynamic_scale": 1.3,
    "motion_scale": 0.6,
    "audio_guidance": 2.0,
    "lip_sync_offset": 0.08,
    "fps": 20.0,
    "seed": 11,
    "smooth": 0.5,
    "canvas": "160x200",
    "canvas_mode": "fit",
    "label_text": "odd",
    "label_corner": "top-left",
}
FRAMES = 15  # of 0.72 s at 20 a second
CONSENT = {"agreed": True, "subject": "s", "purpose": "a test"}


@pytest.fixture(autouse=True)
def polled_quickly(monkeypatch):
    monkeypatch.setattr(comfyui_client, "POLL_SECONDS", 0.02)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, portrait_path, speech_path):
    """A small photo and a second of speech, on the right of a stereo recording with another sound on the left."""
    folder = tmp_path_factory.mktemp("inputs")
    photo = Image.open(portrait_path)
    photo.resize((256, round(256 * photo.height / photo.width))).save(folder / "photo.png")
    speech = load_audio(speech_path)
    second = speech.mono()[: speech.rate]
    soundfile.write(folder / "speech.wav", np.stack([second[::-1], second], 1), speech.rate)
    return folder / "photo.png", folder / "speech.wav"


@pytest.fixture(scope="module")
def expected(pipe, inputs, tmp_path_factory):
    """What the library makes of the request."""
    path = tmp_path_factory.mktemp("library") / "video.mp4"
    settings = {name: value for name, value in ODD.items() if name != "preset"}
    pipe.save_video(pipe(*inputs, ODD["preset"], **settings), path)
    found = fingerprint(path)
    assert found["frames"] == FRAMES
    return found


@pytest.fixture(scope="module")
def drawn(pipe, inputs):
    """The library's frames before they are encoded."""
    settings = {name: value for name, value in ODD.items() if name != "preset"}
    return picture_of(pipe(*inputs, ODD["preset"], **settings))


def test_every_setting_matters(pipe, inputs, expected, tmp_path):
    """Or the test below would not see one that is lost on the way."""
    settings = {name: value for name, value in ODD.items() if name != "preset"}
    for name in ("expand_ratio", "motion_scale", "lip_sync_offset", "label_corner"):
        others = {key: value for key, value in settings.items() if key != name}
        clip = pipe(*inputs, ODD["preset"], **others)
        pipe.save_video(clip, tmp_path / "other.mp4")
        found = fingerprint(tmp_path / "other.mp4")
        assert found["picture"] != expected["picture"], name
        assert (found["frames"], found["sound"]) == (expected["frames"], expected["sound"]), name


def test_command_line(inputs, expected, tmp_path):
    words = command_words({name: value for name, value in ODD.items() if name != "trim"})
    path = tmp_path / "video.mp4"
    places = ["--image", str(inputs[0]), "--audio", str(inputs[1]), "--output", str(path)]
    assert main(["generate", *places, "--trim", *words]) == 0
    assert fingerprint(path) == expected


def test_service_and_worker(inputs, expected, drawn, streamed, ledger, stores):
    """The service writes segments, which are encoded otherwise: the frames are compared before that."""
    with TestClient(make_app(Service(ledger, stores))) as client:
        client.headers["Authorization"] = f"Bearer {api_keys.create_key(ledger, 'u')}"
        files = {name: (path.name, path.read_bytes()) for name, path in zip(("image", "audio"), inputs, strict=True)}
        answer = client.post("/jobs", files=files, data={"consent": json.dumps(CONSENT), "settings": json.dumps(ODD)})
    assert answer.status_code == 202, answer.text
    job = Worker(ledger, stores, core_engine()).run_one(answer.json()["id"])
    assert job.error is None
    assert streamed == [drawn]
    found = fingerprint(stores.outputs.path_of(job.output["key"]))
    assert {**found, "picture": expected["picture"]} == expected


def carry_out(graph, nodes, folder):
    """Run a graph in API format as ComfyUI does; the file that Render Video made."""
    done = {}

    def output(link):
        key, index = link
        if key not in done:
            done[key] = run(graph[key])
        return done[key][index]

    def run(node):
        given = {name: output(v) if isinstance(v, list) else v for name, v in node["inputs"].items()}
        if node["class_type"] == "LoadImage":
            import torch

            from sonic_core.media.image import load_image

            name, _, kind = given["image"].partition(" [")
            picture = load_image(folder / (kind.rstrip("]") or "input") / name)
            return [torch.from_numpy(picture.astype(np.float32) / 255)[None]]
        kind = nodes[node["class_type"]]
        found = kind.execute(**given)
        listed = [part.is_output_list for part in kind.define_schema().outputs]
        return [value[0] if many else value for value, many in zip(found.args, listed, strict=True)]

    render = next(key for key, node in graph.items() if node["class_type"] == "SonicRenderVideo")
    return output([render, 0]).get_stream_source()


def test_comfyui_worker(inputs, expected, ledger, stores, add_job_of, comfy, nodes):
    def work(graph, step):
        path = carry_out(graph, nodes, comfy)
        place = {"filename": path.rpartition("/")[2], "subfolder": "sonic_studio", "type": "temp"}
        return {"9": {"images": [place]}}

    with FakeComfyUI(comfy, work) as server:
        job = Worker(ledger, stores, comfyui_engine(server.url)).run_one(add_job_of(*inputs, ODD))
    assert job.error is None
    assert fingerprint(stores.outputs.path_of(job.output["key"])) == expected


def test_nodes_on_a_canvas(inputs, expected, comfy, nodes):
    """What a user would wire: the bundled workflow with smoothing, pasting back and a label, widgets set by hand."""
    graph = load_graph("fast")
    (comfy / "input" / "photo.png").write_bytes(inputs[0].read_bytes())
    (comfy / "input" / "speech.wav").write_bytes(inputs[1].read_bytes())
    label = next(node for node in graph.values() if node["class_type"] == "SonicLabel")
    graph["s"] = {"class_type": "SonicSmooth", "inputs": {"clip": label["inputs"]["clip"], "strength": ODD["smooth"]}}
    graph["p"] = {"class_type": "SonicPasteBack", "inputs": {"clip": ["s", 0]}}
    shape = {"canvas": "own size", "width": 160, "height": 200, "mode": "fit"}
    graph["c"] = {"class_type": "SonicCanvas", "inputs": {"clip": ["p", 0], **shape}}
    label["inputs"] |= {"clip": ["c", 0], "visible": True, "language": "own text", "text": "odd", "corner": "top-left"}
    for name, value in ODD.items():
        if name not in ("smooth", "canvas", "canvas_mode", "label_text", "label_corner", "framing", "trim"):
            set_input(graph, f"{name}={value}")
    for assignment in ("SONIC_PreData.framing=face", "SONIC_PreData.trim=true", "LoadImage.image=photo.png"):
        set_input(graph, assignment)
    set_input(graph, "SonicLoadAudio.audio=speech.wav")
    assert fingerprint(carry_out(graph, nodes, comfy)) == expected
