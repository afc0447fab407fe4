from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

from sonic_core.clip import Audio, Clip
from sonic_core.errors import InputError
from sonic_core.media.flac import save_flac
from sonic_core.media.probe import kind_of, probe
from sonic_core.media.video import save_video

SOUND = Audio(np.zeros((1, 8000), np.float32), 16000)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_pictures(tmp_path: Path, suffix: str) -> None:
    made = tmp_path / f"a.{suffix}"
    Image.new("RGB", (40, 40)).save(made)
    assert kind_of(made.rename(tmp_path / "named.mp4")) == "image"


def test_a_sound(tmp_path: Path) -> None:
    assert kind_of(save_flac(SOUND, tmp_path / "a.flac")) == "audio"


def test_a_video(tmp_path: Path) -> None:
    clip = Clip.of_frames(np.zeros((3, 32, 32, 3), np.float32), Fraction(25), SOUND)
    assert kind_of(save_video(clip, tmp_path / "a.mp4")) == "video"


@pytest.mark.parametrize(("name", "codec", "words"), [("a.webm", "libvpx", "WebM"), ("b.mkv", "libx264", "Matroska")])
def test_webm_is_told_from_matroska(tmp_path: Path, name: str, codec: str, words: str) -> None:
    """FFmpeg reads both with one demuxer."""
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    assert probe(tmp_path / name).format == words


def test_a_song_with_a_cover_is_a_sound(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "song.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=16000, layout="mono")
        cover = container.add_stream("mjpeg", rate=25)
        cover.width = cover.height = 32
        cover.pix_fmt = "yuvj420p"
        cover.disposition = Disposition.attached_pic.value
        container.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4000), np.float32), format="fltp", layout="mono")
        frame.rate = 16000
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
        container.mux(cover.encode(None))
    assert kind_of(tmp_path / "song.mp4") == "audio"


@pytest.mark.parametrize(
    "content",
    [
        b"just some words\n" * 50,
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"\x89PNG\r\n\x1a\n",
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"'a\.mp4' is neither"):
        kind_of(path)
