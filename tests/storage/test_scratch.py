"""Scratch folders: private, gone with the block, and gone with a process that was killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sonic_core.storage import scratch

ROOT = str(Path(__file__).resolve().parents[2])
HOLDER = """
import time
from sonic_core.storage.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "photo").write_bytes(b"somebody's face")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_private_and_gone_with_the_block(place):
    with scratch.scratch_folder() as folder:
        assert folder.parent == place and folder.stat().st_mode & 0o777 == 0o700
        (folder / "photo").write_bytes(b"x")
        assert scratch.clear_abandoned() == 0 and (folder / "photo").exists()
    assert list(place.iterdir()) == []


def test_a_killed_process_leaves_nothing_that_others_do_not_delete(place):
    environment = {**os.environ, "TMPDIR": str(place), "PYTHONPATH": ROOT}
    process = subprocess.Popen([sys.executable, "-c", HOLDER], env=environment, stdout=subprocess.PIPE, text=True)
    folder = Path(process.stdout.readline().strip())
    assert scratch.clear_abandoned() == 0 and (folder / "photo").exists(), "its owner lives"
    process.kill()
    process.wait()
    assert scratch.clear_abandoned() == 1 and list(place.iterdir()) == []


def test_what_is_not_ours_or_just_being_made_stays(place):
    fresh, old, foreign = (place / name for name in (f"{scratch.PREFIX}1", f"{scratch.PREFIX}2", "theirs"))
    for folder in (fresh, old, foreign):
        folder.mkdir()
    (place / f"{scratch.PREFIX}link").symlink_to(foreign)
    for folder in (old, foreign):
        os.utime(folder, (time.time() - 60,) * 2)
    assert scratch.clear_abandoned() == 1
    assert fresh.exists() and not old.exists() and foreign.exists()
