"""A file that is no video, or none that can be read, by every command that takes one: each says the same."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "media"))

from kinds import content, cut_off, picture, protected, several, video, wav

from sonic_core.cli.main import main
from sonic_core.errors import InputError
from sonic_core.media.video import open_video


def without_its_end(path: Path) -> None:
    video("libx264", "mp4")(path)
    path.write_bytes(path.read_bytes()[:2000])


REFUSED = {
    "empty.mp4": (content(b""), "is empty"),
    "folder.mp4": (Path.mkdir, "is not a file"),
    "nothing.mp4": (lambda path: None, "does not exist"),
    "noise.mp4": (content(np.random.default_rng(0).bytes(20_000)), "no picture, sound or video that is known"),
    "text.mp4": (content(b"some words\n" * 30), "it is a text"),
    "list.mp4": (content(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"), "it is a playlist"),
    "concat.mp4": (content(b"ffconcat version 1.0\nfile /etc/passwd\n"), "it is a playlist"),
    "page.mp4": (content(b"<!DOCTYPE html><html>not found</html>"), "it is a web page"),
    "photo.mp4": (picture("JPEG"), "is a picture (JPEG, 128 x 96 pixels)"),
    "cut.jpg": (cut_off("JPEG", 0.5), "is a picture (JPEG, 128 x 96 pixels)"),
    "moving.webp": (several("WEBP"), "is an animation of 3 pictures (WebP, 128 x 96 pixels)"),
    "pages.tiff": (several("TIFF"), "is a file of 3 pages (TIFF, 128 x 96 pixels)"),
    "voice.wav": (wav, "holds no video: it is a sound (WAV, 1.00 s)"),
    "shop.mp4": (protected(video("libx264", "mp4")), "is protected against copying (MP4)"),
    "raw.h265": (content(b"\0\0\0\1\x40" + bytes(500)), "it is a raw HEVC stream without a container"),
    "part.m4s": (content(b"\0\0\0\x18stypmsdh" + bytes(500)), "it is a part of a streamed MP4 without its beginning"),
    "cut.mp4": (without_its_end, "an MP4 or MOV that was not finished or is damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_every_command_refuses_it_in_the_same_sentence(name, tmp_path, capsys):
    make, words = REFUSED[name]
    path, voice = tmp_path / name, tmp_path / "speech.wav"
    make(path)
    wav(voice)
    with pytest.raises(InputError) as refused:
        open_video(path)
    assert words in str(refused.value)
    output = ["--output", str(tmp_path / "o.mp4")]
    for command in (
        ["inspect", str(path)],
        ["evaluate", str(path)],
        ["align", str(path)],
        ["align", str(path), *output],
        ["finish", str(path), *output],
        ["dub", "--video", str(path), "--audio", str(voice), *output],
    ):
        assert main(command) == 2
        assert capsys.readouterr().err == f"error: {refused.value}\n", command[0]
    assert not (tmp_path / "o.mp4").exists()
