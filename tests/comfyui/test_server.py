"""The pack on a real server: both workflows, caching, cancelling, errors, and what the front end asks for."""

from __future__ import annotations

import json
import math
import os
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import av
import httpx
import numpy as np
import pytest
from PIL import Image

from sonic_core.comfyui.client import ComfyUIError
from sonic_core.comfyui.graph import dialogue_graph, main_video
from sonic_core.media.video import open_video, save_video

from .conftest import PACK, ROOT, Server

NODES = [path.stem for path in sorted((ROOT / "web" / "docs").glob("*.md"))]
WORKFLOWS = sorted(path.stem for path in (ROOT / "workflows" / "api").glob("*.json"))
TITLES = sorted(path.stem for path in (ROOT / "workflows").glob("*.json"))
SECONDS = 2.4


def graph_of(workflow: str, **changes: Any) -> dict[str, Any]:
    """A bundled workflow in API format, cut to SECONDS, with widgets changed by name."""
    graph = json.loads((ROOT / "workflows" / "api" / f"{workflow}.json").read_text(encoding="utf-8"))
    if workflow == "sonic_oss":
        changes = {"duration": SECONDS, "trim": True} | changes
    for node in graph.values():
        if node["class_type"] == "SonicLoadAudio":
            node["inputs"]["trim"] = SECONDS
        for name, value in changes.items():
            if name in node["inputs"] and not isinstance(node["inputs"][name], list):
                node["inputs"][name] = value
    return dict(graph)


def crowd() -> float:
    """How many times longer things take here because others compute too: what is measured is wall time."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)) if hasattr(os, "getloadavg") else 1.0


def messages(record: dict[str, Any]) -> dict[str, Any]:
    return dict(record["status"]["messages"])


def test_the_server_knows_every_node(server: Server) -> None:
    known = httpx.get(f"{server.url}/object_info", timeout=60).json()
    assert set(NODES) <= known.keys()
    assert {known[name]["category"] for name in NODES} == {"Sonic Studio"}
    assert {known[name]["python_module"] for name in NODES} == {f"custom_nodes.{PACK}"}


def test_importing_the_pack_is_quick(server: Server) -> None:
    seconds = re.search(rf"([\d.]+) seconds: .*{PACK}", server.log.read_text())
    assert seconds is not None and float(seconds[1]) < 1.5 * crowd()


def test_templates_help_pages_and_words_are_served(server: Server) -> None:
    templates = httpx.get(f"{server.url}/workflow_templates").json()[PACK]
    assert set(TITLES) == set(templates)
    for name in templates:
        for suffix in ("json", "jpg"):
            assert httpx.get(f"{server.url}/api/workflow_templates/{PACK}/{quote(name)}.{suffix}").status_code == 200
    for node in NODES:
        assert httpx.get(f"{server.url}/extensions/{PACK}/docs/{node}.md").status_code == 200
    words = httpx.get(f"{server.url}/i18n").json()
    assert set(NODES) <= words["zh"]["nodeDefs"].keys()


@pytest.mark.parametrize("name", ["sonic_fast", "sonic_high_quality", "sonic_oss"])
def test_a_workflow_makes_the_video(server: Server, tmp_path: Path, name: str) -> None:
    made = server.client.run(graph_of(name))
    path = server.client.download(main_video(made), tmp_path / "video.mp4")
    with av.open(str(path)) as container:
        metadata = dict(container.metadata)
        stream = container.streams.video[0]
        assert stream.average_rate == 25
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert len(container.streams.audio) == 1
    assert 0 <= len(frames) - SECONDS * 25 <= 2, "lips that are brought in time may take a frame or two more"
    assert json.loads(metadata["AIGC"])["Label"] == "1"
    height, width = frames[0].shape[:2]
    corner = (slice(height * 4 // 5, height), slice(width // 2, width))
    written = np.abs(frames[0][corner].astype(int) - frames[-1][corner]) > 60
    labels = [node["inputs"]["visible"] for node in graph_of(name).values() if node["class_type"] == "SonicLabel"]
    assert (written.mean() > 0.001) == any(labels), "the label stands in the first two seconds where there is one"
    face = (slice(height // 4, height * 3 // 4), slice(width // 4, width * 3 // 4))
    moved = [np.abs(frame[face].astype(int) - frames[0][face]).mean() for frame in frames]
    assert max(moved) > 1, "the face moves"


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_template_runs_untouched(server: Server, tmp_path: Path, name: str) -> None:
    made = server.client.run(graph_of(name, min_resolution=256, preset="fast"))
    with av.open(str(server.client.download(main_video(made), tmp_path / "video.mp4"))) as container:
        assert "AIGC" in container.metadata
        assert len(container.streams.audio) == 1
        assert sum(1 for _ in container.decode(video=0)) >= SECONDS * 25


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests/workflows/saved_0.1.0/api").glob("*.json")), ids=lambda p: p.stem
)
def test_a_workflow_of_an_older_version_runs(server: Server, path: Path) -> None:
    graph = json.loads(path.read_text(encoding="utf-8"))
    for node in graph.values():
        small = (
            {"trim": 1.0, "min_resolution": 128} if node["class_type"] == "SonicLoadAudio" else {"min_resolution": 128}
        )
        node["inputs"] |= {name: value for name, value in small.items() if name in node["inputs"]}
    assert main_video(server.client.run(graph)).filename.endswith(".mp4")


def test_a_dialogue_of_three_with_chosen_faces(server: Server) -> None:
    """A third voice goes into the input that grows, where the core has such inputs."""
    photo = Image.open(ROOT / "web" / "samples" / "sonic_portrait.jpg").convert("RGB").resize((256, 256))
    three = Image.new("RGB", (768, 256), "white")
    for place, size in enumerate((200, 256, 228)):
        three.paste(photo.resize((size, size)), (256 * place, 0))
    three.save(server.base / "input" / "three.png")
    graph = dialogue_graph()
    inputs = next(node["inputs"] for node in graph.values() if node["class_type"] == "SonicDialogue")
    for node in graph.values():
        if node["class_type"] == "LoadImage":
            node["inputs"]["image"] = "three.png"
        if node["class_type"] == "SonicLoadAudio":
            node["inputs"] |= {"trim": 0.6, "channel": "as it is"}
    known = httpx.get(f"{server.url}/object_info/SonicDialogue").json()["SonicDialogue"]["input"]
    name = "more.audio_3" if "more" in known.get("optional", {}) else "audio_3"
    inputs |= {"min_resolution": 128, "faces": "2 0 1", name: inputs["audio_left"]}
    record = server.run(graph)
    assert record["status"]["status_str"] == "success", record["status"]
    wrong = server.run(graph | {"6": {**graph["6"], "inputs": {**graph["6"]["inputs"], "faces": "0 1"}}})
    assert "for 3 voices; give a face for each" in json.dumps(wrong["status"])


def test_a_list_of_photos_gives_a_list_of_videos(server: Server) -> None:
    folder = server.base / "input" / "sonic_photos"
    (folder / "twin.jpg").write_bytes((folder / "sonic_portrait.jpg").read_bytes())
    made = server.client.run(graph_of("sonic_batch", min_resolution=256))
    assert len([file for file in made if file.type == "output"]) == 2


def test_frames_of_another_pack_are_finished(server: Server, tmp_path: Path) -> None:
    """Core's images and sound as a video, and that through our finishing nodes."""
    graph = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": "sonic_video.mp4"}},
        "2": {"class_type": "GetVideoComponents", "inputs": {"video": ["1", 0]}},
        "3": {"class_type": "CreateVideo", "inputs": {"images": ["2", 0], "audio": ["2", 1], "fps": ["2", 2]}},
        "4": {"class_type": "SonicVideoToClip", "inputs": {"video": ["3", 0]}},
        "5": {"class_type": "SonicSmooth", "inputs": {"clip": ["4", 0], "strength": 1.0}},
        "6": {"class_type": "SonicInterpolate", "inputs": {"clip": ["5", 0], "fps": 50.0, "method": "repeat"}},
        "7": {
            "class_type": "SonicLabel",
            "inputs": {
                "clip": ["6", 0],
                "visible": True,
                "language": "en",
                "text": "",
                "seconds": 2.0,
                "height": 0.05,
                "corner": "top-left",
            },
        },
        "8": {"class_type": "SonicRenderVideo", "inputs": {"clip": ["7", 0], "quality": "small", "format": "mp4"}},
    }
    with av.open(str(ROOT / "web" / "samples" / "sonic_video.mp4")) as container:
        frames = sum(1 for _ in container.decode(video=0))
    made = server.client.run(graph)
    with av.open(str(server.client.download(main_video(made), tmp_path / "video.mp4"))) as container:
        assert container.streams.video[0].average_rate == 50
        assert sum(1 for _ in container.decode(video=0)) == 2 * frames
        assert json.loads(container.metadata["AIGC"])["Label"] == "1"
        assert len(container.streams.audio) == 1


def test_photos_and_sounds_are_mapped(server: Server) -> None:
    """Three photos in one IMAGE and a list of two sounds: six clips."""
    graph = graph_of("sonic_fast", min_resolution=128)
    key = {node["class_type"]: name for name, node in graph.items()}
    photo, sound = [key["LoadImage"], 0], [key["SonicLoadAudio"], 0]
    graph["pair"] = {"class_type": "ImageBatch", "inputs": {"image1": photo, "image2": photo}}
    graph["three"] = {"class_type": "ImageBatch", "inputs": {"image1": ["pair", 0], "image2": photo}}
    graph["other"] = {"class_type": "SonicLoadAudio", "inputs": graph[sound[0]]["inputs"] | {"start": 2.0, "trim": 0.8}}
    graph[sound[0]]["inputs"]["trim"] = 0.6
    if "CreateList" not in httpx.get(f"{server.url}/object_info", timeout=60).json():
        pytest.skip("this core makes no list of sounds")
    sounds = {"inputs.input0": sound, "inputs.input1": ["other", 0]}
    graph["sounds"] = {"class_type": "CreateList", "inputs": sounds}
    graph[key["SONIC_PreData"]]["inputs"] |= {"image": ["three", 0], "audio": ["sounds", 0]}
    videos = [file for file in server.client.run(graph) if file.node == key["SonicRenderVideo"]]
    assert len(videos) == 6


def test_the_blueprint_is_offered_where_the_core_has_them(server: Server) -> None:
    answer = httpx.get(f"{server.url}/global_subgraphs")
    if answer.status_code == 404:
        pytest.skip("this core has no blueprints")
    names = [entry["name"] for entry in answer.json().values() if entry["info"]["node_pack"].endswith(PACK)]
    assert names == ["Photo speaks"]


def test_the_stored_video_is_the_rendered_file(server: Server, tmp_path: Path) -> None:
    graph = graph_of("sonic_oss", seed=5)
    record = server.run(graph)
    assert record["status"]["status_str"] == "success"
    upload, link = (
        next(key for key, node in graph.items() if node["_meta"]["title"] == title)
        for title in ("Sonic: Upload to Storage", "Link")
    )
    key = record["outputs"][upload]["text"][0]
    stored = server.base / "storage" / "objects" / key
    assert record["outputs"][link]["text"] == [stored.as_uri()]
    assert key.startswith(f"outputs/comfyui/{record['prompt'][1]}/")
    rendered = server.client.download(main_video(server.client.outputs(record["prompt"][1])), tmp_path / "video.mp4")
    assert stored.read_bytes() == rendered.read_bytes()
    with av.open(str(stored)) as container:
        assert json.loads(container.metadata["AIGC"])["ProduceID"] == record["prompt"][1]


def test_a_wrong_output_of_a_loader_is_said(server: Server) -> None:
    """A picture where a sound is wanted: the node that wants it does not run, and the reason is told."""
    graph = graph_of("sonic_oss")
    for node in graph.values():
        if node["class_type"] == "SonicOSSLoad":
            node["inputs"]["source"] = "inputs/comfyui/samples/sonic_portrait.jpg"
    with pytest.raises(ComfyUIError, match=r"sonic_portrait\.jpg is a picture, not a sound"):
        server.client.run(graph)


def test_a_second_run_loads_and_computes_only_what_changed(server: Server) -> None:
    graph = graph_of("sonic_fast", seed=11)
    server.run(graph)
    repeated = messages(server.run(graph))
    assert set(repeated["execution_cached"]["nodes"]) == set(graph)
    other = graph_of("sonic_fast", seed=12)
    cached = set(messages(server.run(other))["execution_cached"]["nodes"])
    loaded = {node for node, made in other.items() if made["class_type"].startswith(("SonicLoad", "SONIC_PreData"))}
    assert loaded <= cached


@pytest.mark.parametrize("kind", ["SONIC_PreData", "SonicSampler", "SonicLipAlign", "SonicRenderVideo"])
def test_cancelling_is_heard_within_half_a_second(server: Server, kind: str) -> None:
    graph = graph_of("sonic_high_quality", seed=21 + len(kind))
    for node in graph.values():
        if node["class_type"] == "SonicLoadAudio":
            node["inputs"]["trim"] = 0.0
    cancelled = 0.0

    before = [node["class_type"] for node in graph.values()].index(kind)

    def stop(done: int, total: int, preview: object = None) -> None:
        nonlocal cancelled
        if done > total * before / len(graph):  # the nodes before it are done, so it is at work
            cancelled = time.monotonic()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        server.client.run(graph, stop)
    while server.client.waiting():
        time.sleep(0.02)
    took = time.monotonic() - cancelled
    print(f"cancelled {kind}: {took:.2f} s, {os.getloadavg()[0]:.0f} processes waiting for {os.cpu_count()} cores")
    assert took < 0.5 * crowd()
    end = time.monotonic() + 10 * crowd()
    while left := list((server.base / "temp").rglob(".*.mp4")):  # the work stops after its node has been left
        assert time.monotonic() < end, f"no half file stays: {left}"
        time.sleep(0.05)


BAD = {
    "no face": ({"face_box": "0 0 40 40"}, "looks like a face"),
    "not a box": ({"face_box": "1 2 3"}, "give four numbers"),
    "no such face": ({"face_index": 7}, "face 7 was asked for"),
    "longer than the sound": ({"duration": 99.0}, "the audio is 2.40 s long"),
    "released model without files": ({"model": "sonic"}, "unet.pth (6.3 GB, CC BY-NC-SA 4.0)"),
    "the same by its entry": (
        {"model": "sonic (not installed)"},
        "model.safetensors (151 MB, Apache-2.0)",
    ),
    "an unknown quality": ({"quality": "huge"}, "quality is 'huge'; choose one of small, medium, high, best"),
    "an unknown framing": ({"framing": "square"}, "framing is 'square'; choose one of whole, face, photo"),
    "outside the input folder": ({"audio": "../../secret.wav"}, "../../secret.wav"),  # newer cores say it themselves
    "a missing sound": ({"audio": "gone.wav"}, "upload it or choose one"),
    "an unknown model": ({"model": "sonic/none"}, "sonic/none"),
    "an unknown preset": ({"preset": "turbo"}, "turbo"),
    "steps out of range": ({"inference_steps": 1000}, "1000"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_input_is_said_in_one_sentence(server: Server, case: str) -> None:
    changes, text = BAD[case]
    graph = graph_of("sonic_fast", **changes)
    with pytest.raises(ComfyUIError, match=re.escape(text)) as caught:
        server.client.run(graph)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_worker_makes_a_job_with_it(server: Server, tmp_path: Path, kind: str) -> None:
    """The fleet's worker, from a job in the ledger to the stored video, by this server."""
    pytest.importorskip("sqlalchemy")
    from sonic_core.comfyui.backend import comfyui_engine
    from sonic_core.fleet.submission import store_files, submit
    from sonic_core.fleet.worker import Worker
    from sonic_core.ledger.consents import record_consent
    from sonic_core.ledger.database import open_database
    from sonic_core.ledger.ledger import Ledger
    from sonic_core.storage.folder import FolderStore
    from sonic_core.storage.stores import Stores

    ledger = Ledger(open_database(f"sqlite:///{tmp_path}/ledger.sqlite"))
    store = FolderStore(tmp_path / "objects")
    stores = Stores(store, store, 600)
    consent = record_consent(ledger.engine, "u", subject="s", subject_is_user=True, purpose="a test", sources=[])
    samples = ROOT / "web" / "samples"
    files = {"audio": samples / "sonic_speech.flac"}
    settings: dict[str, Any] = {"preset": "fast", "seed": 3, "label": "en"}
    if kind == "image":
        files["image"] = samples / "sonic_portrait.jpg"
        settings |= {"duration": 1.0, "trim": True, "min_resolution": 256}
        frames, side = 25, 256
    else:
        files["video"] = save_video(open_video(samples / "sonic_video.mp4").part(0, 25), tmp_path / "video.mp4")
        settings |= {"longer": "freeze", "own_sound": 0.2}
        with av.open(str(files["audio"])) as heard, av.open(str(files["video"])) as seen:
            frames = math.ceil(25 * heard.duration / av.time_base)
            side = min(seen.streams.video[0].width, seen.streams.video[0].height)
    materials = store_files(stores, "u", "job-1", files)
    submit(ledger, job_id="job-1", user="u", materials=materials, consent_id=consent.id, settings=settings)
    before = set((server.base / "input").rglob("*")) | set((server.base / "output").rglob("*"))
    job = Worker(ledger, stores, comfyui_engine(server.url), engine_name="comfyui").run_one()
    assert job is not None and (job.state, job.error) == ("done", None)
    with av.open(str(store.path_of(job.output["key"]))) as container:
        assert json.loads(container.metadata["AIGC"])["ProduceID"] == "job-1"
        assert sum(1 for _ in container.decode(video=0)) == frames
        assert min(container.streams.video[0].width, container.streams.video[0].height) == side
    after = set((server.base / "input").rglob("*")) | set((server.base / "output").rglob("*"))
    assert after == before, "a person's photo and video stay in the temp folder only"
    ledger.engine.dispose()
