"""The worker that drives a ComfyUI server, on a small server of our own: the good course and every way to go wrong."""

import json
import threading
from fractions import Fraction

import numpy as np
import pytest
from fake_comfyui import FakeComfyUI

from sonic_core.clip import Audio, Clip
from sonic_core.comfyui import client
from sonic_core.comfyui.backend import comfyui_engine
from sonic_core.comfyui.client import ComfyUI, ComfyUIError, ComfyUIUnreachable
from sonic_core.comfyui.graph import _bypass, apply_request, load_graph, without_copies
from sonic_core.errors import InputError
from sonic_core.fleet.submission import store_files, submit
from sonic_core.fleet.worker import Worker
from sonic_core.media.video import save_video
from sonic_core.request import Request

VIDEO = b"a video " * 5000


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(client, "POLL_SECONDS", 0.02)


@pytest.fixture
def start(tmp_path):
    """Starts a server whose prompts are carried out by a function; the default one makes a video."""
    servers = []

    def make(work=None):
        folder = tmp_path / "comfyui"
        (folder / "temp" / "sonic_studio").mkdir(parents=True)
        (folder / "temp" / "sonic_studio" / "clip.mp4").write_bytes(VIDEO)

        def render(graph, step):
            step("11", 0.5)
            return {"11": {"images": [{"filename": "clip.mp4", "subfolder": "sonic_studio", "type": "temp"}]}}

        server = FakeComfyUI(folder, work or render).__enter__()
        server.render = render
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.__exit__()


def widgets(graph):
    """(class, input) -> value, of widgets only."""
    return {
        (node["class_type"], name): value
        for node in graph.values()
        for name, value in node["inputs"].items()
        if not isinstance(value, list)
    }


def test_a_job_is_made_by_the_server(ledger, stores, add_job, start):
    graphs = []
    server = start(lambda graph, step: (graphs.append(graph), server.render(graph, step))[1])
    job_id = add_job(settings={"preset": "fast", "seed": 7, "label": "en", "min_resolution": 256})
    job = Worker(ledger, stores, comfyui_engine(server.url), engine_name="comfyui").run_one()
    assert (job.state, job.error) == ("done", None)
    assert stores.outputs.path_of(job.output["key"]).read_bytes() == VIDEO
    said = widgets(graphs[0])
    assert said["SonicSampler", "seed"] == 7 and said["SONIC_PreData", "min_resolution"] == 256
    assert (said["SonicLabel", "visible"], said["SonicLabel", "language"]) == (True, "en")
    photo = said["LoadImage", "image"]
    assert photo == f"sonic-{job_id}/image.png [temp]", "the server empties temp, and keeps input for ever"
    assert (server.folder / "temp" / f"sonic-{job_id}" / "image.png").stat().st_size
    assert "SaveVideo" not in {node["class_type"] for node in graphs[0].values()}
    assert list(server.jobs.values()) == [job_id], "the file's record names the job"


def test_a_dub_is_made_by_the_server(ledger, stores, consent, start, tmp_path):
    graphs = []
    server = start(lambda graph, step: (graphs.append(graph), server.render(graph, step))[1])
    hum = Audio(np.full((1, 4800), 0.2, np.float32), 48000)
    video = save_video(Clip.of_frames(np.zeros((3, 64, 64, 3), np.float32), Fraction(25), hum), tmp_path / "v.mp4")
    materials = store_files(stores, "u", "d-1", {"video": video, "audio": video})
    settings = {"preset": "fast", "who": "auto", "own_sound": 0.2}
    submit(ledger, job_id="d-1", user="u", materials=materials, consent_id=consent.id, settings=settings)
    job = Worker(ledger, stores, comfyui_engine(server.url), engine_name="comfyui").run_one()
    assert (job.state, job.error) == ("done", None)
    said = widgets(graphs[0])
    assert said["LoadVideo", "file"] == "sonic-d-1/video.mp4 [temp]"
    assert (said["SonicDub", "who"], said["SonicDub", "own_sound"], said["SonicDub", "preset"]) == ("auto", 0.2, "fast")


def test_progress_arrives_and_a_cancel_goes_out(ledger, stores, add_job, start):
    going = threading.Event()

    def endless(graph, step):
        while True:
            step("6", 0.5)
            going.wait(0.01)

    server = start(endless)
    job_id, seen = add_job(), []
    engine = comfyui_engine(server.url)

    def cancelling(task):
        report = task.report

        def noted(stage, fraction):
            seen.append((stage, fraction))
            if fraction > 0:
                ledger.cancel(job_id)
                worker_lease.stopped = "cancel"
            report(stage, fraction)

        worker_lease = task.report.__self__
        return engine(type(task)(**{**vars(task), "report": noted}))

    job = Worker(ledger, stores, cancelling).run_one(job_id)
    assert job.state == "cancelled" and 0 < seen[-1][1] < 0.2
    assert [server.jobs[prompt] for prompt in server.interrupted] == [job_id]
    assert list(stores.outputs.list("outputs/")) == []


def test_a_prompt_that_waits_can_be_cancelled(start):
    """Nothing is said about a prompt while it waits in the server's queue."""
    hold = threading.Event()
    server = start(lambda graph, step: (hold.wait(20), {})[1])
    with ComfyUI(server.url) as client:
        client.queue({"1": {"class_type": "N", "inputs": {}}})

        def stop(done, total, preview=None):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            client.run({"1": {"class_type": "N", "inputs": {}}}, stop)
        assert not server.queued and client.waiting() == 1
    hold.set()


def test_without_messages_the_history_tells(ledger, stores, add_job, start):
    server = start()
    server.quiet = True
    add_job()
    assert Worker(ledger, stores, comfyui_engine(server.url)).run_one().state == "done"


def test_a_failed_node_fails_the_job_with_its_words(ledger, stores, add_job, start):
    def fail(graph, step):
        raise ValueError("no face was found")

    add_job()
    job = Worker(ledger, stores, comfyui_engine(start(fail).url)).run_one()
    assert (job.state, job.error) == ("failed", "node 7 (N): no face was found")


def test_a_refused_prompt_is_said(start):
    with ComfyUI(start().url) as client, pytest.raises(ComfyUIError, match=r"node 1 \(N\): Value -1 .* \(seed\)"):
        client.queue({"1": {"class_type": "N", "inputs": {"seed": -1}}})


def test_a_server_that_is_away_is_tried_again(ledger, stores, add_job):
    add_job()
    job = Worker(ledger, stores, comfyui_engine("http://127.0.0.1:9")).run_one()
    assert job.state == "queued" and job.attempt == 1
    assert "no ComfyUI answers at http://127.0.0.1:9" in json.dumps(ledger.events(job.id))


def test_a_server_that_was_started_anew_is_noticed(start):
    hold = threading.Event()
    server = start(lambda graph, step: (server.forget(), hold.wait(20), {})[2])
    with ComfyUI(server.url) as client, pytest.raises(ComfyUIUnreachable, match="forgotten"):
        client.run({"1": {"class_type": "N", "inputs": {}}})
    hold.set()


def test_settings_find_their_widgets():
    graph = load_graph("high_quality")
    settings = {"preset": "fast", "label": "none", "framing": "photo", "face_box": (1.0, 2.5, 30.0, 40.0)}
    settings |= {"trim": True, "duration": 2.0, "audio_guidance": None, "lip_sync_offset": 0.1}
    apply_request(graph, Request.parse(settings))
    said = widgets(graph)
    assert said["SONIC_PreData", "face_box"] == "1 2.5 30 40", "a list would be a link"
    assert (said["SONIC_PreData", "trim"], said["SonicLoadAudio", "trim"]) == (True, 0.0)
    assert (said["SonicSampler", "preset"], said["SonicSampler", "audio_guidance"]) == ("fast", 0.0)
    assert said["SonicLabel", "visible"] is False
    pasting = next(node for node in graph.values() if node["class_type"] == "SonicPasteBack")
    assert said["SONIC_PreData", "framing"] == "face", "the square, which is pasted back after smoothing"
    assert graph[pasting["inputs"]["clip"][0]]["class_type"] == "SonicSmooth"
    assert said["SONIC_PreData", "lip_sync_offset"] == 0.1, "the speech that drives the lips is moved"
    assert said["SonicLipAlign", "lip_sync_offset"] == 0.0, "and not the sound"


def test_a_bare_face_is_not_pasted_back():
    graph = load_graph("high_quality")
    label = next(node for node in graph.values() if node["class_type"] == "SonicLabel")
    graph["paste"] = {"class_type": "SonicPasteBack", "inputs": {"clip": label["inputs"]["clip"]}}
    label["inputs"]["clip"] = ["paste", 0]
    apply_request(graph, Request.parse({"framing": "face"}))
    kinds = {node["class_type"]: node for node in graph.values()}
    assert "SonicPasteBack" not in kinds
    assert graph[kinds["SonicLabel"]["inputs"]["clip"][0]]["class_type"] == "SonicSmooth"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"fps": 50.0}, "no input 'fps'"),
        ({"seed": 3}, "no input 'seed'"),
    ],
)
def test_a_setting_without_a_place_is_an_error(settings, said):
    with pytest.raises(InputError, match=said):
        apply_request({"1": {"class_type": "SonicSampler", "inputs": {"preset": "fast"}}}, Request.parse(settings))


def test_a_workflow_of_an_older_version_takes_every_setting():
    graph = load_graph("fast")
    prepare = next(node["inputs"] for node in graph.values() if node["class_type"] == "SONIC_PreData")
    del prepare["fps"], prepare["lip_sync_offset"]
    apply_request(graph, Request.parse({"fps": 50.0, "lip_sync_offset": 0.1}))
    assert (prepare["fps"], prepare["lip_sync_offset"]) == (50.0, 0.1)


def test_finishing_that_a_workflow_lacks_is_put_into_it_in_order():
    graph = load_graph("fast")
    for key in [key for key, node in graph.items() if node["class_type"] in ("SonicLabel", "SonicSmooth")]:
        _bypass(graph, key)
    apply_request(graph, Request.parse({"label": "none"}))
    assert not {"SonicLabel", "SonicSmooth"} & {node["class_type"] for node in graph.values()}
    asked = {"smooth": 0.5, "canvas": "9:16", "label_text": "made by us", "label_corner": "top-left"}
    apply_request(graph, Request.parse(asked))
    render = next(node for node in graph.values() if node["class_type"] == "SonicRenderVideo")
    label = graph[render["inputs"]["clip"][0]]
    shape = graph[label["inputs"]["clip"][0]]
    smooth = graph[shape["inputs"]["clip"][0]]
    kinds = [node["class_type"] for node in (label, shape, smooth)]
    assert kinds == ["SonicLabel", "SonicCanvas", "SonicSmooth"]
    wanted = {"canvas": "own size", "width": 1080, "height": 1920, "mode": "blur"}
    assert {name: shape["inputs"][name] for name in wanted} == wanted
    assert smooth["inputs"]["strength"] == 0.5
    said = {name: label["inputs"][name] for name in ("visible", "language", "text", "corner", "seconds")}
    assert said == {"visible": True, "language": "own text", "text": "made by us", "corner": "top-left", "seconds": 2.0}
    with pytest.raises(InputError, match="Render Video"):
        apply_request(
            {"1": {"class_type": "SonicSampler", "inputs": {"preset": "fast"}}}, Request.parse({"label": "zh"})
        )


def test_a_graph_that_only_saves_keeps_its_end():
    graph = {"1": {"class_type": "SaveVideo", "inputs": {}}}
    assert without_copies(graph) == graph
