"""Commands that also draw a picture refuse its name before they read anything."""

import pytest

from sonic_core.cli.main import main


@pytest.mark.parametrize(
    "words",
    [
        ["dub", "--video", "none.mp4", "--preview", "p.xyz"],
        ["evaluate", "none.mp4", "--plot", "p.xyz"],
        ["exam", "none.mp4", "--text", "hello", "--plot", "p.xyz"],
    ],
)
def test_a_name_no_picture_can_have(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert capsys.readouterr().err == "error: output 'p.xyz' does not end as a picture does; name it .png or .jpg\n"
