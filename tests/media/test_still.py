"""Photos of every kind in the colours and the place they were taken in."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from sonic_core.errors import InputError
from sonic_core.media.file_type import describe_content
from sonic_core.media.image import load_image
from sonic_core.media.picture_record import png_chunk, with_chunks

SKIN = (224, 172, 140)


# XYZ of red, green and blue, adapted to D50, as the profiles of these spaces have them; and their gamma.
SPACES = {
    "Display P3": (((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)), 2.2),
    "Adobe RGB": (((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)), 563 / 256),
    "ProPhoto": (((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)), 1.8),
}
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))


def matrix_profile(columns: tuple[tuple[float, ...], ...], gamma: float) -> bytes:
    """A small ICC profile (v2) of a space with these primaries and a pure gamma."""
    fixed = lambda values: struct.pack(f">{len(values)}i", *(round(v * 65536) for v in values))  # noqa: E731
    text = b"test profile\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78),
        b"wtpt": b"XYZ " + bytes(4) + fixed((0.9642, 1.0, 0.8249)),
        b"cprt": b"text" + bytes(4) + b"none\0",
        **{
            name: b"XYZ " + bytes(4) + fixed(xyz)
            for name, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)
        },
        **{
            name: b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) for name in (b"rTRC", b"gTRC", b"bTRC")
        },
    }
    table, body, place = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", place + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", place + len(body), b"lcms", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + fixed((0.9642, 1.0, 0.8249)) + bytes(48)
    return head + struct.pack(">I", len(tags)) + table + body


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_photos_of_wide_spaces_become_srgb(tmp_path, space, format):
    options = {"icc_profile": matrix_profile(*SPACES[space]), **({"quality": 98} if format != "PNG" else {})}
    Image.new("RGB", (64, 64), SKIN).save(tmp_path / "a", format, **options)
    columns, gamma = SPACES[space]
    light = np.linalg.inv(np.array(SRGB).T) @ np.array(columns).T @ (np.array(SKIN) / 255) ** gamma
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clip(0) ** (1 / 2.4) - 0.055).clip(0, 1) * 255
    assert np.abs(load_image(tmp_path / "a")[32, 32] - srgb).max() <= 2
    assert srgb[0] - SKIN[0] > 5, "the profile makes no difference, so this proves nothing"


def test_srgb_profiles_and_none_change_nothing(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for given in (profile, None):
        Image.new("RGB", (64, 64), SKIN).save(tmp_path / "a.png", icc_profile=given)
        assert (load_image(tmp_path / "a.png") == SKIN).all()


def test_a_profile_that_cannot_be_read_is_said(tmp_path, caplog):
    Image.new("RGB", (64, 64), SKIN).save(tmp_path / "a.png", icc_profile=b"no profile at all")
    assert (load_image(tmp_path / "a.png") == SKIN).all()
    assert "'a.png'" in caplog.text and "profile cannot be used" in caplog.text


def test_grey_profiles_and_transparency_with_a_profile(tmp_path):
    Image.new("RGBA", (64, 64), (*SKIN, 128)).save(tmp_path / "a.png", icc_profile=matrix_profile(SRGB, 2.2))
    assert np.abs(load_image(tmp_path / "a.png")[0, 0].astype(int) - (240, 214, 198)).max() <= 2


def test_dark_sixteen_bit_pictures_stay_dark(tmp_path):
    Image.fromarray(np.full((64, 64), 200, np.uint16)).save(tmp_path / "a.png")
    Image.fromarray(np.full((64, 64), 200, np.uint16)).save(tmp_path / "a.tiff")
    assert load_image(tmp_path / "a.png").max() <= 1 and load_image(tmp_path / "a.tiff").max() <= 1


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif(tmp_path):
    Image.new("RGB", (96, 64), SKIN).save(tmp_path / "a.avif", quality=95)
    assert np.abs(load_image(tmp_path / "a.avif")[32, 32].astype(int) - SKIN).max() <= 3


def test_heic(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    picture = Image.new("RGB", (96, 64), SKIN)
    try:
        picture.save(tmp_path / "a.heic", quality=95)
    except (OSError, KeyError, RuntimeError, ValueError):
        pytest.skip("this pillow-heif cannot write")
    assert np.abs(load_image(tmp_path / "a.heic")[32, 32].astype(int) - SKIN).max() <= 3


def test_heic_without_the_package_is_a_sentence_that_names_it(tmp_path, monkeypatch):
    from sonic_core.media import still

    monkeypatch.setattr(still, "_register_heif", lambda: None)
    monkeypatch.setattr(still, "FORMATS", tuple(name for name in still.FORMATS if name != "HEIF"))
    (tmp_path / "a.heic").write_bytes(struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(400))
    with pytest.raises(InputError, match="pip install pillow-heif"):
        load_image(tmp_path / "a.heic")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_all_orientations_are_upright(tmp_path, orientation, format):
    upright = np.zeros((48, 64, 3), np.uint8)
    upright[:24, :32], upright[:24, 32:], upright[24:, :32] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1), 7: upright[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a", format, exif=exif)
    loaded = load_image(tmp_path / "a")
    assert loaded.shape == upright.shape
    assert np.abs(loaded[8, 8].astype(int) - (250, 0, 0)).max() < 12
    assert np.abs(loaded[8, -8].astype(int) - (0, 250, 0)).max() < 12


def test_what_other_files_are(tmp_path):
    for data, words in (
        (b"%PDF-1.4", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"<svg xmlns='x'/>", "an SVG drawing"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"MThd", "MIDI"),
        (bytes(100), "zeros"),
        ("Grüße\n".encode() * 30, "a text"),
        (b"\x00\x00\x00\x18ftypisom" + bytes(30), "not finished or is damaged"),
        (bytes(range(256)) * 8, "no picture, sound or video that is known"),
    ):
        (tmp_path / "a").write_bytes(data)
        assert words in describe_content(tmp_path / "a")


CHECKERS = np.kron(np.random.default_rng(0).integers(60, 200, (6, 8, 3)), np.ones((16, 16, 1))).astype(np.uint8)


@pytest.mark.parametrize(
    ("format", "mode", "options"),
    [
        ("JPEG", "CMYK", {"quality": 100, "subsampling": 0}),
        ("TIFF", "CMYK", {}),
        ("TIFF", "YCbCr", {"compression": "jpeg", "quality": 100}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("JPEG", "RGB", {"progressive": True, "quality": 100, "subsampling": 0}),
        ("PNG", "RGBA", {}),
        ("JPEG2000", "RGB", {}),
        ("TGA", "RGB", {}),
    ],
)
def test_photos_of_other_makes_keep_their_colours(tmp_path, format, mode, options):
    Image.fromarray(CHECKERS).convert(mode).save(tmp_path / "a", format, **options)
    assert np.abs(load_image(tmp_path / "a").astype(int) - CHECKERS).max() <= 4


def test_lab_palettes_and_what_lies_behind_a_photo(tmp_path):
    photo = Image.fromarray(CHECKERS)
    lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    ImageCms.applyTransform(photo, lab).save(tmp_path / "a.tiff")
    assert np.abs(load_image(tmp_path / "a.tiff").astype(int) - CHECKERS).max() <= 6
    flat = Image.new("P", (64, 64), 1)
    flat.putpalette([0, 0, 0, *SKIN, 0, 0, 200])
    flat.paste(2, (32, 0, 64, 64))
    for name in ("a.png", "a.gif"):
        flat.save(tmp_path / name, transparency=2)
        found = load_image(tmp_path / name)
        assert tuple(found[8, 8]) == SKIN and (found[8, 50] == 255).all()
    photo.save(tmp_path / "a.jpg", quality=95)
    before = load_image(tmp_path / "a.jpg")
    with open(tmp_path / "a.jpg", "ab") as file:  # a phone's moving photo has its film there
        file.write(b"\0\0\0\x18ftypmp42" + bytes(5000))
    assert (load_image(tmp_path / "a.jpg") == before).all()


def test_a_tiny_file_of_a_huge_picture_is_refused_at_once(tmp_path):
    head = struct.pack("<IiiHHIIiiII", 40, 50_000, 50_000, 1, 24, 0, 0, 0, 0, 0, 0)
    (tmp_path / "a.bmp").write_bytes(b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + head + bytes(40))
    with pytest.raises(InputError, match=r"has more than .* megapixels; the limit is 80, so scale it down first"):
        load_image(tmp_path / "a.bmp")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\x0a" + bytes(200), "a JPEG XL picture"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(200), "a JPEG XL picture"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(500), "a camera's raw picture"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1" + bytes(500), "a camera's raw picture"),
        (b"\0\0\1\0\1\0" + bytes(100), "an icon"),
        (b"8BPS\0\1" + bytes(100), "a Photoshop picture"),
        (b"L\0\0\0\x01\x14\x02\0" + bytes(100), "a Windows shortcut"),
        (b"data:image/jpeg;base64,/9j/4AAQ", "a file in base64 text"),
    ],
)
def test_what_is_no_photo_is_named(tmp_path, content, words):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(InputError, match=f"it is {words}.*; give a still picture"):
        load_image(tmp_path / "a.jpg")


def png_with(*chunks: tuple[bytes, bytes], broken: bool = False) -> bytes:
    """CHECKERS as PNG with chunks behind its header, their checksums wrong if `broken`."""
    plain = io.BytesIO()
    Image.fromarray(CHECKERS).save(plain, "PNG")
    made = (png_chunk(*chunk)[:-1] + b"\0" if broken else png_chunk(*chunk) for chunk in chunks)
    return with_chunks(plain.getvalue(), *made)


@pytest.mark.parametrize(
    ("chunk", "broken"),
    [
        ((b"zTXt", b"workflow\0\0" + zlib.compress(bytes(3_000_000))), False),
        ((b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(bytes(3_000_000))), False),
        ((b"tEXt", b"prompt\0a portrait"), True),
    ],
    ids=["compressed", "compressed UTF-8", "wrong checksum"],
)
def test_a_png_is_read_whatever_its_texts_are(tmp_path, chunk, broken):
    (tmp_path / "a.png").write_bytes(png_with(chunk, broken=broken))
    assert (load_image(tmp_path / "a.png") == CHECKERS).all()


def test_texts_that_say_which_side_of_a_png_is_up_are_kept(tmp_path):
    xmp = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    chunks = (b"tEXt", b"prompt\0a portrait"), (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp.encode())
    (tmp_path / "a.png").write_bytes(png_with(*chunks))
    assert (load_image(tmp_path / "a.png") == np.rot90(CHECKERS, -1)).all()


GREY_AT_WHITE = {16: 148, 18: 191}  # PQ's and HLG's 8-bit level of HDR reference white


def hdr_photo(path, transfer, primaries):
    """A grey field in a PNG with `cICP`, or in an AVIF or HEIC with `nclx`."""
    field = Image.new("RGB", (64, 64), (GREY_AT_WHITE[transfer],) * 3)
    data = io.BytesIO()
    field.save(data, {".png": "PNG", ".avif": "AVIF", ".heic": "HEIF"}[path.suffix])
    data = data.getvalue()
    if path.suffix == ".png":
        data = with_chunks(data, png_chunk(b"cICP", bytes([primaries, transfer, 0, 1])))
    else:
        at = data.index(b"colrnclx") + 8
        data = data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]
    path.write_bytes(data)


@pytest.mark.parametrize("transfer", [16, 18])
@pytest.mark.parametrize("name", ["a.png", "a.avif", "a.heic"])
def test_hdr_photos_are_tone_mapped_as_videos_are(tmp_path, name, transfer):
    Image.init()
    if name == "a.heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    if name == "a.avif" and "AVIF" not in Image.SAVE:
        pytest.skip("this Pillow writes no AVIF")
    hdr_photo(tmp_path / name, transfer, 9)
    found = load_image(tmp_path / name)
    assert found.min() >= 238 and found.max() <= 252 and np.ptp(found) <= 3
