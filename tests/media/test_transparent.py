"""Files with a transparent background, read back by decoders that know alpha."""

from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.sax.saxutils import unescape

import av
import numpy as np
import pytest
from PIL import Image

from sonic_core.clip import Audio, Clip
from sonic_core.disclosure.inspect import inspect
from sonic_core.disclosure.label import label
from sonic_core.errors import SettingsError
from sonic_core.media.codecs import Encoding
from sonic_core.media.encoding import save_video
from sonic_core.media.hls import save_stream

SIZE = 64


@pytest.fixture
def clip() -> Clip:
    """Three frames: a square of skin colour that moves, half covered along one side."""
    frames = np.zeros((3, SIZE, SIZE, 4), np.float32)
    frames[..., :3] = (0.8, 0.6, 0.5)
    for index, frame in enumerate(frames):
        frame[16:48, 12 + 4 * index : 44 + 4 * index, 3] = 1
        frame[16:48, 12 + 4 * index : 20 + 4 * index, 3] = 0.5
    return label(Clip.of_frames(frames, Fraction(25), Audio(np.zeros((1, 1920), np.float32), 16000)))


def decoded(path: Path) -> list[np.ndarray]:
    """uint8 (h, w, 4) frames, by libvpx where the codec is VP9: FFmpeg's own decoder leaves alpha out."""
    if path.suffix == ".webp":
        with Image.open(path) as image:
            return [_seen(image, index) for index in range(image.n_frames)]  # type: ignore[attr-defined]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder: Any = av.CodecContext.create("libvpx-vp9", "r") if path.suffix == ".webm" else stream.codec_context
        return [f.to_ndarray(format="rgba") for packet in container.demux(stream) for f in decoder.decode(packet)]


def _seen(image: Image.Image, index: int) -> np.ndarray:
    image.seek(index)
    return np.asarray(image.convert("RGBA"))


@pytest.mark.parametrize("name", ["a.webm", "a.mov", "a.webp", "a.png"])
def test_alpha_and_colours_come_back(clip: Clip, tmp_path: Path, name: str) -> None:
    found = decoded(save_video(clip, tmp_path / name))
    assert len(found) == 3
    for frame, seen in zip(clip.pixels().__next__(), found, strict=True):
        assert np.abs(seen[..., 3].astype(int) - frame[..., 3]).mean() < 2.5
        whole = frame[..., 3] == 255
        assert np.abs(seen[whole][:, :3].astype(int) - frame[whole][:, :3]).mean() < 4  # straight, not darkened
        half = frame[..., 3] == 128
        assert np.abs(seen[half][:, :3].astype(int) - frame[half][:, :3]).mean() < 6


@pytest.mark.parametrize("name", ["a.webm", "a.mov"])
def test_the_record_stays(clip: Clip, tmp_path: Path, name: str) -> None:
    assert inspect(save_video(clip, tmp_path / name))["aigc"]["Label"] == "1"


def test_the_record_stays_in_animated_pictures(clip: Clip, tmp_path: Path) -> None:
    record = clip.metadata["AIGC"]
    with Image.open(save_video(clip, tmp_path / "a.png")) as picture:
        picture.load()
        assert picture.text["AIGC"] == record  # type: ignore[attr-defined]
    with Image.open(save_video(clip, tmp_path / "a.webp")) as picture:
        packet = picture.info["xmp"].decode()
        assert unescape(packet.split("sonic:AIGC=")[1], {"&quot;": '"'}).lstrip("\"'").startswith(record)
        assert picture.n_frames == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_a_format_without_alpha_names_those_with_it(clip: Clip, tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"\.mov, \.webm, \.webp, \.png"):
        save_video(clip, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("encoding", [Encoding(codec="av1"), Encoding(hardware="nvenc")])
def test_a_codec_without_alpha_is_refused(clip: Clip, tmp_path: Path, encoding: Encoding) -> None:
    with pytest.raises(SettingsError, match="needs the codec vp9"):
        save_video(clip, tmp_path / "a.webm", encoding=encoding)


def test_a_stream_is_never_transparent(clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="stream cannot be transparent"):
        save_stream(clip, tmp_path / "stream")
