"""The same thirty files and more by every road into the program: each asks the one gate and says the same."""

import json
import re
import sys
from pathlib import Path

import pytest
from service_fixtures import CONSENT

sys.path.insert(0, str(Path(__file__).parents[1] / "media"))

from kinds import PICTURES, SOUNDS

from sonic_core.cli.main import main
from sonic_core.errors import SonicError
from sonic_core.fleet.batch import Batch, Row
from sonic_core.fleet.submission import Materials, record, submit
from sonic_core.fleet.worker import Worker
from sonic_core.media.audio import load_audio
from sonic_core.media.image import load_image
from sonic_core.pipeline import SonicPipeline
from sonic_core.service.storage_events import start_job

GOOD = None
CASES = [("image", name) for name in PICTURES] + [("audio", name) for name in SOUNDS]


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


@pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{kind} {name}" for kind, name in CASES])
def test_every_road_says_the_same(
    kind, name, tmp_path, portrait, speech, ledger, stores, client, consent, monkeypatch, capsys
):
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

    batch = Batch.__new__(Batch)
    batch.ledger, batch.stores, batch.source, batch.user = ledger, stores, tmp_path / "b.csv", "u"
    batch.__dict__["_consent"] = consent.id
    answers["batch"] = said(batch._submit, Row(image, audio, "o.mp4", {}))

    form = {"consent": json.dumps(CONSENT)}
    files = {"image": (image.name, image.read_bytes()), "audio": (audio.name, audio.read_bytes())}
    answers["upload"] = detail(client.post("/jobs", files=files, data=form))

    keys = {kind: f"inputs/u/o-1/{given.name}" for kind, given in (("image", image), ("audio", audio))}
    stored = {kind: stores.inputs.put(keys[kind], given) for kind, given in (("image", image), ("audio", audio))}
    body = {"image": {"key": keys["image"]}, "audio": {"key": keys["audio"]}, "consent": CONSENT}
    answers["key"] = detail(client.post("/jobs", json=body))

    message = {"id": "o-2", "user": "u", "image": keys["image"], "audio": keys["audio"], "consent": consent.id}
    try:
        from sonic_core.fleet.kafka import accept
    except ImportError:
        pass
    else:
        answers["kafka"] = said(accept, ledger, stores, json.dumps(message).encode())

    sidecar = tmp_path / "job.json"
    sidecar.write_text(json.dumps({"image": image.name, "consent": consent.id}))
    stores.inputs.put("inputs/u/o-1/job.json", sidecar)
    answers["storage event"] = said(start_job, ledger, stores, keys["audio"])

    materials = Materials(
        {**record(stored["image"]), "width": 64, "height": 64}, {**record(stored["audio"]), "seconds": 1.0}
    )
    submit(ledger, job_id="o-3", user="u", materials=materials, consent_id=consent.id, settings={})
    answers["worker"] = Worker(ledger, stores, fail).run_one("o-3").error

    answers = {road: answer(text) for road, text in answers.items()}
    assert set(answers.values()) == {answers["library"]}, answers
    assert (answers["library"] is GOOD) == (expected is None), answers["library"]
    if expected is not None:
        assert expected in answers["library"]


def detail(response) -> str | None:
    return GOOD if response.status_code < 300 else response.json()["detail"]
