"""Names and places that files have in the world."""

import locale
import os
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sonic_core.cli.main import main
from sonic_core.clip import Audio, Clip
from sonic_core.errors import InputError, OutputError
from sonic_core.media.audio import load_audio
from sonic_core.media.files import check_output, existing_file, written_whole
from sonic_core.media.flac import save_flac
from sonic_core.media.image import load_image, save_image
from sonic_core.media.remux import remux
from sonic_core.media.video import open_video, save_video

SOUND = Audio(np.full((1, 8000), 0.1, np.float32), 16_000)
CLIP = Clip.of_frames(np.full((5, 32, 48, 3), 0.5, np.float32), Fraction(25), SOUND)
NAMES = [
    "12:30 take.mp4",
    "http:x.mp4",
    "pipe:1.mp4",
    "concat:a|b.mp4",
    "-i.mp4",
    "take %03d.mp4",
    "%d.mp4",
    "a'b\"c.mp4",
    "[x];,=\\.mp4",
    "C:\\videos\\a.mp4",
    "\\\\server\\share\\a.mp4",
    "你好 мир.mp4",
    "new\nline.mp4",
    "é" * 125 + ".mp4",  # 254 bytes
    "x" * 251 + ".mp4",  # 255 bytes
]


@pytest.mark.skipif(os.name == "nt", reason="Windows allows few of these names")
@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_written_and_read(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)  # relative names are the ones that look like protocols and options
    save_video(CLIP, name)
    assert open_video(name).frame_count == 5 and load_audio(name).seconds == pytest.approx(0.5, abs=0.1)
    remux(name, name)
    assert main(["finish", f"--output={name}", "--", name]) == 0
    assert os.listdir(tmp_path) == [name]
    picture, sound = f"p{name[4:-4]}.png", f"s{name[4:-5]}.flac"
    save_image(np.full((48, 64, 3), 99, np.uint8), picture)
    assert (load_image(picture) == 99).all()
    assert load_audio(save_flac(SOUND, sound)).seconds == pytest.approx(0.5, abs=0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")
def test_names_that_are_no_utf8(tmp_path):
    name = os.fsdecode(b"caf\xe9.mp4")
    save_video(CLIP, tmp_path / "a.mp4")
    os.rename(tmp_path / "a.mp4", tmp_path / name)
    assert open_video(tmp_path / name).frame_count == 5
    save_video(CLIP, tmp_path / name)
    assert open_video(tmp_path / name).frame_count == 5


def test_very_long_folders(tmp_path, monkeypatch):
    folder = tmp_path
    for _ in range(15):
        folder = folder / ("d" * 200)
    folder.mkdir(parents=True)
    path = save_video(CLIP, folder / "a.mp4")
    assert open_video(path).frame_count == 5
    with pytest.raises(OutputError, match=r"cannot write|does not exist"):
        save_video(CLIP, tmp_path / ("e" * 300 + ".mp4"))
    with pytest.raises(InputError, match=r"cannot be opened|does not exist"):
        open_video(tmp_path / ("e" * 5000))
    for wrong in ("a\0b.mp4",):
        with pytest.raises(InputError):
            existing_file(wrong, "video")
        with pytest.raises(OutputError):
            check_output(wrong)


def test_an_output_that_cannot_be_written_is_refused(tmp_path):
    check_output(tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir()), "the trial is left behind"
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "folder", tmp_path / "none" / "a.mp4", tmp_path / "file" / "a.mp4", Path("/proc/a.mp4")):
        with pytest.raises(OutputError):
            check_output(path)
    if os.path.exists("/dev/null"):
        with pytest.raises(OutputError, match="device"):
            check_output("/dev/null")


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="links need rights on Windows")
def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link.mp4").symlink_to(tmp_path / "real" / "a.mp4")
    save_video(CLIP, tmp_path / "link.mp4")
    assert (tmp_path / "link.mp4").is_symlink() and open_video(tmp_path / "real" / "a.mp4").frame_count == 5


def test_runs_beside_each_other_in_one_folder(tmp_path):
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(5):
                save_video(CLIP, tmp_path / f"{number % 2}.mp4")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and sorted(os.listdir(tmp_path)) == ["0.mp4", "1.mp4"]
    assert all(open_video(tmp_path / name).frame_count == 5 for name in os.listdir(tmp_path))


def test_nothing_is_left_of_what_fails(tmp_path):
    with pytest.raises(KeyboardInterrupt), written_whole(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_locale_with_decimal_commas(tmp_path):
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "German"):
        try:
            before = locale.setlocale(locale.LC_ALL)
            locale.setlocale(locale.LC_ALL, name)
            break
        except locale.Error:
            continue
    else:
        pytest.skip("no such locale is installed")
    try:
        clip = Clip.of_frames(np.full((5, 32, 48, 3), 0.5, np.float32), Fraction(30000, 1001), SOUND)
        assert open_video(save_video(clip, tmp_path / "a.mp4")).fps == Fraction(30000, 1001)
    finally:
        locale.setlocale(locale.LC_ALL, before)


def test_without_a_home(tmp_path):
    path = save_video(CLIP, tmp_path / "a.mp4")
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "SYSTEMROOT") if name in os.environ}
    command = [sys.executable, "-m", "sonic_core", "inspect", str(path)]
    result = subprocess.run(command, env=kept, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert result.returncode == 0 and '"frames": 5' in result.stdout, result.stderr
