import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from sonic_core.errors import InputError, OutputError
from sonic_core.media.image import check_picture, load_image, save_image

RNG = np.random.default_rng(0)


def picture(width=64, height=48) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_the_same_picture_from_every_kind_of_source(tmp_path):
    rgb = picture()
    save_image(rgb, tmp_path / "p.png")
    unit = rgb.astype(np.float32) / 255
    for source in (
        tmp_path / "p.png",
        str(tmp_path / "p.png"),
        Image.fromarray(rgb),
        rgb,
        unit,
        torch.from_numpy(unit)[None],
    ):
        assert np.array_equal(load_image(source), rgb)


def test_exif_rotation_is_applied(tmp_path):
    rgb = picture(64, 48)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.fromarray(rgb).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(load_image(tmp_path / "turned.png"), np.rot90(rgb, -1))


def test_sixteen_bits_cmyk_grey_and_alpha_are_converted(tmp_path):
    grey = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (48, 1))
    Image.fromarray(grey).save(tmp_path / "16.png")
    loaded = load_image(tmp_path / "16.png")
    assert loaded.shape == (48, 64, 3) and np.abs(loaded[..., 0].astype(int) - (grey / 257).round()).max() <= 1
    Image.new("CMYK", (64, 48), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg")
    assert load_image(tmp_path / "cmyk.jpg")[20, 20, 0] > 150
    Image.new("RGBA", (64, 48), (10, 20, 30, 0)).save(tmp_path / "clear.png")
    assert (load_image(tmp_path / "clear.png") == 255).all()
    assert load_image(Image.new("L", (64, 48), 7)).tolist()[0][0] == [7, 7, 7]


def bomb(width: int, height: int) -> bytes:
    """A PNG header that promises width x height pixels, and nothing behind it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IEND", b"")
    )


def animated() -> bytes:
    stream = io.BytesIO()
    frames = [Image.fromarray(picture()) for _ in range(3)]
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    return stream.getvalue()


def jpeg() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture(200, 200)).save(stream, "JPEG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "does not exist"),
        (b"", "empty"),
        (b"hello, not a picture", "not an image"),
        (jpeg()[:3000], "is cut off: 92% of its rows are missing"),
        (animated(), "animated"),
        (bomb(60_000, 60_000), "limit|too large"),
        (bomb(1, 1), "1 x 1"),
    ],
    ids=["missing", "empty", "text", "truncated", "animated", "bomb", "tiny"],
)
def test_bad_files_get_one_sentence(tmp_path, content, says):
    path = tmp_path / "bad.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        load_image(path)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((1, 1, 3), np.uint8),
        np.full((64, 64, 3), np.nan, np.float32),
        np.full((64, 64, 3), 200.0),
        np.zeros((64, 64, 2)),
    ],
    ids=["tiny", "nan", "0-255 floats", "two channels"],
)
def test_bad_arrays_get_one_sentence(array):
    with pytest.raises(InputError):
        load_image(array)


@pytest.mark.parametrize("name", ["p.xyz", "p", "p.mp4", ".png"])
def test_a_name_without_the_suffix_of_a_picture_is_refused_before_the_work_and_after(tmp_path, name):
    for write in (check_picture, lambda path: save_image(picture(), path)):
        with pytest.raises(OutputError, match=r"name it \.png or \.jpg"):
            write(tmp_path / name)
    assert not list(tmp_path.iterdir())
