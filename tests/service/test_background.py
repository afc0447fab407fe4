"""A job's background: a colour, nothing, or a picture sent with it, from the request to the file."""

import io
import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient

from sonic_core.comfyui.graph import BACKGROUND, apply_request, load_graph
from sonic_core.fleet.worker import Worker
from sonic_core.request import Request
from sonic_core.service import api_keys
from sonic_core.service.app import Service, make_app

CONSENT = {"agreed": True, "subject": "s-1", "purpose": "a greeting"}
SMALL = {"preset": "fast", "min_resolution": 128, "inference_steps": 2}
RED = (250, 20, 30)


def png(size=(80, 40), colour=RED) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", size, colour).save(made, "PNG")
    return made.getvalue()


@pytest.fixture
def post(ledger, stores, portrait_path, a_second_of_speech):
    with TestClient(make_app(Service(ledger, stores))) as client:
        client.headers["Authorization"] = f"Bearer {api_keys.create_key(ledger, 'u')}"

        def post(settings, background=None, **fields):
            files = {"image": portrait_path.read_bytes(), "audio": a_second_of_speech.read_bytes()}
            files |= {"background": background} if background is not None else {}
            data = {"consent": json.dumps(CONSENT), "settings": json.dumps(SMALL | settings), **fields}
            return client.post("/jobs", files=files, data=data)

        post.client = client
        yield post


def test_a_picture_comes_with_the_job(post, lite, ledger, stores):
    answer = post({}, png())
    assert answer.status_code == 202, answer.text
    job = ledger.get(answer.json()["id"])
    assert job.inputs["background"]["width"] == 80 and job.inputs["background"]["key"].startswith(f"inputs/u/{job.id}/")
    done = Worker(ledger, stores, lite).run_one()
    assert done.error is None
    with av.open(str(stores.outputs.path_of(done.output["key"]))) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    assert np.abs(frame[:12, :12] - RED).max() < 12
    assert np.abs(frame[50, 64] - RED).max() > 40  # the face


def test_a_transparent_video_is_webm(post, lite, ledger, stores):
    job_id = post({"background": "transparent"}).json()["id"]
    done = Worker(ledger, stores, lite).run_one()
    assert done.error is None and done.output["key"].endswith("/video.webm")
    with av.open(str(stores.outputs.path_of(done.output["key"]))) as container:
        assert container.streams.video[0].metadata["alpha_mode"] == "1"
        assert job_id in container.metadata["AIGC"]
    link = post.client.get(f"/jobs/{job_id}/link").json()
    assert ".webm" in link["download"]


@pytest.mark.parametrize(
    ("settings", "background", "said"),
    [
        ({"background": "/etc/passwd.png"}, None, "send a picture with the job"),
        ({"background": "../other/photo.jpg"}, None, "send a picture with the job"),
        ({"background": "grene"}, None, "is unknown"),
        ({"background": "green"}, png(), "give one of them"),
        ({}, b"no picture", "background"),
        ({}, png((8, 8)), "background"),
    ],
)
def test_refused(post, ledger, settings, background, said):
    """A path would be one of the worker's own files."""
    answer = post(settings, background)
    assert answer.status_code == 400 and said in answer.json()["detail"]


def test_a_comfyui_worker_gets_the_same(tmp_path):
    graph = load_graph("high_quality")
    apply_request(graph, Request.parse({"background": "green", "smooth": 0.5}))
    assert graph["added_background"]["inputs"]["colour"] == "#00b140"
    picture = Path(tmp_path / "p.png")
    graph = load_graph("fast")
    apply_request(graph, Request.of(None, background=str(picture)))
    assert graph["added_background"]["inputs"]["picture"] == [BACKGROUND, 0]
    graph = load_graph("fast")
    apply_request(graph, Request.of(None, background="transparent"))
    assert [n["inputs"]["format"] for n in graph.values() if n["class_type"] == "SonicRenderVideo"] == ["webm"]
