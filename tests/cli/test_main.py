"""The command line's promises for bad input: exit code 2, one sentence, no file. None of these loads a model."""

import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from PIL import Image

from sonic_core.cli.main import main


@pytest.fixture
def good(tmp_path):
    """A folder with a picture, a sound, and the arguments that use them."""
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "p.png")
    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)
    return {"image": tmp_path / "p.png", "audio": tmp_path / "a.wav", "output": tmp_path / "v.mp4"}


def run(paths, *options) -> int:
    words = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
    return main(["generate", *words, *options])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--steps", "0"], "inference_steps is 0"),
        (["--dynamic-scale", "nan"], "dynamic_scale is nan"),
        (["--min-resolution", "100000"], "min_resolution is 100000"),
        (["--duration", "3"], "duration is 3 s but the audio is 1.00 s"),
        (["--face-box", "0", "0", "2", "2"], "face_box"),
        (["--smooth", "2"], "smooth is 2"),
        (["--canvas", "9:17"], "canvas '9:17'"),
        (["--canvas", "101x200"], "canvas is 101 x 200"),
        (["--background", "grene"], "background 'grene' is unknown"),
        (["--background", "#12"], "#rrggbb"),
        (["--background", "none.png"], "'none.png' does not exist"),
        (["--background", "transparent"], "name the output .mov, .webm, .webp, .png"),
        (["--label", "\u0634"], "font has no"),
        (["--label", "en", "--label-seconds", "1"], "label_seconds is 1"),
        (["--certificate", "chain.pem"], "go together"),
        (["--model", "/no/such/folder"], "not a folder"),
        (["--eight-bit", "int8"], "--eight-bit is for the Sonic model"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_settings_out_of_range(good, capsys, options, says):
    assert run(good, *options) == 2
    error = capsys.readouterr().err
    assert says in error and error.startswith("error: ") and error.count("\n") == 1
    assert not good["output"].exists()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("image", "none.png", "does not exist"),
        ("audio", "none.wav", "does not exist"),
        ("image", "a.wav", "is a sound"),
        ("audio", "p.png", "is a picture"),
        ("output", "no/v.mp4", "does not exist"),
        ("output", "v.avi", ".mp4"),
    ],
)
def test_files_that_cannot_be_used(good, tmp_path, capsys, name, value, says):
    before = sorted(tmp_path.iterdir())
    assert run(good | {name: tmp_path / value}) == 2
    assert says in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_doctor_says_what_is_there(capsys):
    main(["doctor", "--json"])
    assert '"what": "torch", "ok": true' in capsys.readouterr().out


@pytest.mark.parametrize(("given", "threads"), [(None, "1"), ("3", "3")])
def test_small_matrices_get_one_thread_unless_the_user_wants_more(capsys, monkeypatch, given, threads):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if given:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", given)
    assert main(["doctor"]) == 0
    assert os.environ["OPENBLAS_NUM_THREADS"] == threads


def test_a_name_that_the_terminal_cannot_show_ends_no_command(tmp_path):
    """As in a pipe on a Windows machine: the video was written, and the command failed at saying so."""
    code = "import sys; from sonic_core.cli.main import main; sys.exit(main(['models', '--folder', '\\u4e8c']))"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, timeout=120)
    assert done.returncode == 2 and rb"\u4e8c" in done.stdout and b"Traceback" not in done.stderr
