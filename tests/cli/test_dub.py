"""What the commands `dub` and `dialogue` refuse, each in one sentence and before any work."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from PIL import Image

from sonic_core.cli.dub import level, numbered_values, read_voices
from sonic_core.cli.main import main
from sonic_core.errors import SettingsError


@pytest.fixture
def files(tmp_path):
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "p.png")
    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)
    (tmp_path / "v.mp4").write_bytes(b"no video")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--audio", "a.wav"], "nothing to do"),
        (["--output", "o.mp4"], "give either --audio, or --voice"),
        (["--output", "o.mp4", "--audio", "a.wav", "--voice", "0=a.wav"], "give either --audio, or --voice"),
        (["--output", "o.mp4", "--voice", "0=a.wav", "--turns", "t.rttm"], "give --audio as well"),
        (["--output", "o.mp4", "--audio", "a.wav", "--turns", "t.rttm", "--person", "1"], "leave --person out"),
        (["--output", "o.mp4", "--audio", "a.wav", "--speaker", "0=ann"], "give --turns as well"),
        (["--output", "o.mp4", "--audio", "a.wav", "--keep-audio", "loud"], "--keep-audio is 'loud'"),
        (["--output", "o.avi", "--audio", "a.wav"], "'o.avi'"),
        (["--output", "o.webm", "--audio", "a.wav", "--sign"], "cannot be signed"),
        (["--output", "o.mp4", "--audio", "a.wav"], "v.mp4"),
    ],
)
def test_dub_refuses(files, monkeypatch, capsys, words, says):
    monkeypatch.chdir(files)
    assert main(["dub", "--video", "v.mp4", *words]) == 2
    error = capsys.readouterr().err
    assert says in error and error.startswith("error: ") and error.count("\n") == 1
    assert not (files / "o.mp4").exists()


def test_levels():
    assert (
        level("-20dB") == pytest.approx(0.1) and level("0") == 1 and level("-6.0 dB") == pytest.approx(0.501, abs=0.001)
    )
    for text in ("3dB", "-100dB", "nan", "quiet", ""):
        with pytest.raises(SettingsError):
            level(text)


def test_the_channel_that_speaks(tmp_path):
    left, right = np.full(1600, 0.25, np.float32), np.full(1600, 0.5, np.float32)
    soundfile.write(tmp_path / "s.wav", np.stack([left, right], 1), 16000)
    one = SimpleNamespace(voice=[], audio=tmp_path / "s.wav", turns=None)
    each = SimpleNamespace(voice=[f"0={tmp_path / 's.wav'}"])
    for channel, value in (("left", 0.25), ("right", 0.5), ("mix", 0.375)):
        for sound in (read_voices(one, channel, []), read_voices(each, channel, [])[0]):
            assert sound.channels == 1 and np.abs(sound.samples - value).max() < 1e-3


def test_voices_by_number():
    assert numbered_values(["0=a.wav", "12=b=c.wav"], "--voice") == {0: "a.wav", 12: "b=c.wav"}
    for text in (["a.wav"], ["x=a.wav"], ["0="], ["-1=a.wav"], ["0=a.wav", "0=b.wav"]):
        with pytest.raises(SettingsError, match=r"like 0=A\.wav"):
            numbered_values(text, "--voice")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--image", "p.png", "--image", "p.png", "--voice", "a.wav"], "or two with --layout side"),
        (["--image", "p.png", "--layout", "side", "--voice", "a.wav"], "but 1 --image was given; give two"),
        (["--image", "p.png"], "give either a --voice"),
        (["--image", "p.png", "--audio", "a.wav"], "say who speaks when"),
        (["--image", "p.png", "--audio", "a.wav", "--channels"], "one channel"),
    ],
)
def test_dialogue_refuses(files, monkeypatch, capsys, words, says):
    monkeypatch.chdir(files)
    assert main(["dialogue", "--output", "o.mp4", *words]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1 and not (files / "o.mp4").exists()
