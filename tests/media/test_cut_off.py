"""Photos that lack their end: what little is missing is left out with a word, more is refused, grey never shows."""

import io
import logging
import re

import cv2
import numpy as np
import pytest
from PIL import Image

from sonic_core.errors import InputError
from sonic_core.media.cut_off import MANY_ZEROS, remains_of
from sonic_core.media.image import load_image
from sonic_core.media.probe import probe

WIDTH, HEIGHT = 200, 600
BLOCK = 16  # rows that a JPEG or WebP stores together
KINDS = {
    "JPEG": {},
    "JPEG, grey": {"mode": "L"},
    "JPEG with restarts": {"restart_marker_rows": 1},
    "PNG": {},
    "PNG, transparent": {"mode": "RGBA"},
    "PNG, palette": {"mode": "P"},
    "PNG, 1 bit": {"mode": "1"},
    "WEBP": {"quality": 80},
    "WEBP, lossless": {"lossless": True},
}


def field() -> np.ndarray:
    """Soft patches of colour under noise, which needs bytes in every row."""
    rng = np.random.default_rng(0)
    soft = cv2.resize(rng.integers(30, 226, (20, 15, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return (soft.astype(int) + rng.integers(-8, 8, soft.shape)).clip(0, 255).astype(np.uint8)


def encoded(kind: str, mode: str = "RGB", **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(field()).convert(mode).save(stream, kind.split(",")[0].split()[0], **options)
    return stream.getvalue()


@pytest.mark.parametrize("zeros", [False, True], ids=["shorter", "zeros instead"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_little_is_left_out_and_more_is_refused(tmp_path, caplog, kind, zeros):
    data, path = encoded(kind, **KINDS[kind]), tmp_path / "a"
    path.write_bytes(data)
    whole = load_image(path).astype(int)

    def cut(share: float) -> None:
        missing = max(2, round(share * len(data)))
        path.write_bytes(data[:-missing] + bytes(missing if zeros else 0))

    cut(0.008)
    with caplog.at_level(logging.WARNING):
        found = load_image(path).astype(int)
    assert 0 < HEIGHT - len(found) <= 2 * BLOCK and np.abs(found - whole[: len(found)]).max() <= 3
    assert f"its last {HEIGHT - len(found)} of {HEIGHT} rows are missing and left out" in caplog.text
    assert probe(path, "image").kind == probe(path).kind == "image"
    cut(0.3)
    for read in (load_image, probe, lambda path: probe(path, "image")):
        with pytest.raises(InputError, match=r"is cut off(: \d\d% of its rows are missing)?; export or download"):
            read(path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_two_bytes_are_not_missed(tmp_path, caplog, kind):
    data, path = encoded(kind, **KINDS[kind]), tmp_path / "a"
    path.write_bytes(data)
    whole = load_image(path)
    path.write_bytes(data[:-2])
    found = load_image(path)
    assert HEIGHT - len(found) <= (BLOCK if kind == "WEBP" else 1) and np.array_equal(found, whole[: len(found)])
    assert (len(found) == HEIGHT) == ("cut off" not in caplog.text)


def test_a_progressive_jpeg_only_loses_detail_in_its_last_scan(tmp_path, caplog):
    data, path = encoded("JPEG", progressive=True), tmp_path / "a.jpg"
    path.write_bytes(data)
    whole = load_image(path).astype(int)
    scans = [found.start() for found in re.finditer(rb"\xff\xda", data)]
    path.write_bytes(data[: (scans[-1] + len(data)) // 2])
    found = load_image(path).astype(int)
    assert found.shape == whole.shape and np.percentile(np.abs(found - whole), 99.5) <= 12
    assert "its lower part lacks the finest detail" in caplog.text
    path.write_bytes(data[: scans[-1] - 5])
    with pytest.raises(InputError, match="is cut off; export"):
        load_image(path)


def test_a_jpeg_may_break_off_within_a_marker(tmp_path):
    data, path = encoded("JPEG"), tmp_path / "a.jpg"
    stuffed = data.rindex(b"\xff\x00", 0, -300)
    for end in (stuffed, stuffed + 1, stuffed + 2, stuffed + 3):
        path.write_bytes(data[:end])
        remains = remains_of(path)
        assert remains is not None and HEIGHT // 2 < remains.rows < HEIGHT, end - stuffed


def test_a_webp_that_lacks_only_metadata_has_all_its_rows(tmp_path, caplog):
    data, path = encoded("WEBP", exif=rotated_by(1), xmp=b"<x/>" + b" " * 500), tmp_path / "a.webp"
    path.write_bytes(data)
    whole = load_image(path)
    for content in (data[:-100], data[:-100] + bytes(100)):
        path.write_bytes(content)
        assert np.array_equal(load_image(path), whole)
    assert not caplog.text


def rotated_by(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_what_is_left_out_is_at_the_stored_end_of_a_rotated_photo(tmp_path, orientation):
    data, path = encoded("PNG", exif=rotated_by(orientation)), tmp_path / "a.png"
    path.write_bytes(data)
    whole = load_image(path)
    path.write_bytes(data[: -round(0.01 * len(data))])
    found = load_image(path)
    if orientation == 3:
        assert np.array_equal(found, whole[-len(found) :])
    else:
        kept = found.shape[1]
        assert np.array_equal(found, whole[:, -kept:] if orientation == 6 else whole[:, :kept])


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_heic_and_avif_are_refused_also_when_they_end_in_zeros(tmp_path, kind):
    pytest.importorskip("pillow_heif").register_heif_opener()
    data, path = encoded(kind, quality=90), tmp_path / "a"
    for content in (data[:-2], data[: len(data) * 2 // 3], data[: -2 * MANY_ZEROS] + bytes(2 * MANY_ZEROS)):
        path.write_bytes(content)
        with pytest.raises(InputError, match="is cut off; export or download it again"):
            load_image(path)
    for content in (data, data + bytes(4000), data + b"\0\0\x10\0free" + bytes(4088)):
        path.write_bytes(content)
        assert load_image(path).shape == (HEIGHT, WIDTH, 3)


def test_whole_files_are_whole_whatever_follows_them(tmp_path):
    for kind, options in KINDS.items():
        data, path = encoded(kind, **options), tmp_path / "a"
        for rest in (b"", bytes(5000), b"a film behind a photo" * 100):
            path.write_bytes(data + rest)
            assert remains_of(path) is None
    for start in (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\xff\xff\xff\x7fWEBP", b"\0\0\0\x18ftypavif"):
        for rest in (b"", b"\0", b"\xda", bytes(300), b"\xff" * 300, b"\xff\xda\0\x08abcdef\xff"):
            path.write_bytes(start + rest)
            with pytest.raises(InputError):
                load_image(path)


def test_a_picture_of_pillow_that_is_cut_off_is_refused_in_a_sentence():
    with pytest.raises(InputError, match="image is damaged"):
        load_image(Image.open(io.BytesIO(encoded("JPEG")[:-4000])))
